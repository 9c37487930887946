// What every page has: questions to edgecam, and the choice of colours.

export class Failure extends Error {}

export async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(15000), ...options });
  } catch {
    throw new Failure("edgecam does not answer");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null);
  throw new Failure(told?.error ?? `edgecam answered ${answer.status}`);
}

const theme = document.querySelector("#theme");
function paint(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  theme.dataset.name = name;
  theme.textContent = `${{ auto: "◐", dark: "☾", light: "☀" }[name]} ${name}`;
  try { localStorage.setItem("edgecam.theme", name); } catch { /* a private window keeps nothing */ }
}
theme.onclick = () => paint({ auto: "dark", dark: "light", light: "auto" }[theme.dataset.name]);
let kept = null;
try { kept = localStorage.getItem("edgecam.theme"); } catch { /* as above */ }
paint(["dark", "light"].includes(kept) ? kept : "auto");
