// Recordings of one camera: days and clips on one side, the player on the other. Times are those of the box.

import { ask } from "./shell.js";

const POLL = 20000;      // ms between two looks for what is new today
const FINISHING = 1000;  // ms between two looks for a clip that is being made
const PATIENCE = 300;    // such looks
const MANY = 6;          // stills of an hour that are shown one by one

const root = document.baseURI;
const camera = location.pathname.match(/\/cameras\/([a-z0-9_]+)\/recordings/)[1];
const byId = (id) => document.getElementById(id);
const stage = byId("stage"), list = byId("list"), note = byId("note"), box = byId("box"), said = byId("said");
const make = (tag, fields = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...children);
  return made;
};

let day = null;          // what api/…/recordings told of the day that is shown
let seen = "";           // the same as text
let chosen = null;       // the item or hour in the player
const opened = new Set();  // hours whose stills are shown one by one

// -- times of the box, whatever this browser's zone is

const format = (options) => new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...options });
const dates = format({ weekday: "short", day: "numeric", month: "long", year: "numeric" });
const clocks = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const hours = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

function local(time) {
  const at = Date.parse(time);
  const offset = day.offsets.findLast((entry) => Date.parse(entry.from) <= at) ?? day.offsets[0];
  return new Date(at + offset.minutes * 60000);
}

const secondAfter = (time) => new Date((Math.floor(Date.parse(time) / 1000) + 1) * 1000).toISOString();
const typed = (time) => local(time).toISOString().slice(0, 19);
const pretty = (date) => dates.format(new Date(`${date}T00:00:00Z`));

function span(seconds) {
  const rest = Math.round(seconds % 60), minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${rest} s` : `${seconds.toFixed(1)} s`;
}

function bytes(count) {
  return count < 1e6 ? `${Math.ceil(count / 1000)} kB` : count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}

// -- the list

function itemLink(item) {
  const link = byId("item").content.cloneNode(true).querySelector("a");
  const find = (name) => link.querySelector(name);
  const picture = item.picture_url ?? (isStill(item) ? item.url : null);
  if (picture) find("img").src = picture; else find("img").remove();
  find(".time").textContent = clocks.format(local(item.start));
  find(".badge").textContent = item.kind;
  find(".badge").classList.add(item.kind);
  find(".pin").hidden = !item.pinned;
  return aim(link, item);
}

function hourLink(hour) {
  const label = hour.segments === 1 ? "1 segment" : `${hour.segments} segments`;
  const link = make("a", { className: "item whole" },
    make("span", { className: "time", textContent: "Whole hour" }),
    make("span", { className: "badge continuous", textContent: "continuous" }),
    make("span", { className: "count", textContent: label }));
  return aim(link, hour);
}

function aim(link, thing) {
  link.href = address(day.date, thing.id);
  link.dataset.id = thing.id;
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    choose(thing, true);
  };
  return link;
}

function isStill(item) { return item.url.endsWith(".jpg"); }

function draw() {
  const shown = new Map();           // hour as text -> { hour, items }
  const at = (time) => {
    const begin = Math.floor((Date.parse(time) - Date.parse(day.begin)) / 3600000);
    if (!shown.has(begin)) shown.set(begin, { whole: null, items: [] });
    return shown.get(begin);
  };
  for (const hour of day.hours) at(hour.begin).whole = hour;
  for (const item of day.items) at(item.start).items.push(item);
  const rows = [];
  for (const [begin, { whole, items }] of [...shown].sort(([one], [other]) => other - one)) {
    const time = new Date(Date.parse(day.begin) + begin * 3600000).toISOString();
    rows.push(make("h3", { textContent: hours.format(local(time)) }));
    if (whole) rows.push(hourLink(whole));
    const stills = items.filter((item) => item.kind === "timelapse" && isStill(item));
    const many = stills.length > MANY && !opened.has(time);
    rows.push(...items.filter((item) => !many || !stills.includes(item)).map(itemLink));
    if (many) {
      const more = make("button", { type: "button", className: "more", textContent: `${stills.length} timelapse pictures` });
      more.onclick = () => { opened.add(time); draw(); };
      rows.push(more);
    }
  }
  list.replaceChildren(...rows);
  note.hidden = rows.length > 0;
  note.textContent = day.days.length ? "Nothing was recorded on this day." : "Nothing was recorded yet.";
  mark();
}

function drawDays() {
  const select = byId("day"), days = day.days.includes(day.date) ? day.days : [...day.days, day.date].sort().reverse();
  select.replaceChildren(...days.map((date) => make("option", { value: date, textContent: pretty(date) })));
  select.value = day.date;
  const place = days.indexOf(day.date);
  byId("earlier").disabled = place === days.length - 1;
  byId("later").disabled = place === 0;
  byId("earlier").onclick = () => go(days[place + 1]);
  byId("later").onclick = () => go(days[place - 1]);
  select.onchange = () => go(select.value);
}

function mark() {
  for (const link of list.querySelectorAll("a")) {
    const current = chosen !== null && link.dataset.id === chosen.id;
    if (current) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  }
}

// -- the player

function choose(thing, play) {
  chosen = thing;
  mark();
  byId("chosen").hidden = thing === null;
  byId("facts").replaceChildren();
  said.replaceChildren();
  byId("when").textContent = "";
  for (const old of stage.querySelectorAll("video, img")) old.remove();
  cover(thing === null ? "Choose a recording" : "");
  if (thing === null) return;
  show(thing, play);
  const whole = thing.segments !== undefined;
  byId("when").textContent = whole
    ? `${hours.format(local(thing.begin))} to ${hours.format(local(thing.end))}`
    : `${pretty(day.date)}, ${clocks.format(local(thing.start))}`;
  byId("download").href = thing.url;
  for (const id of ["keep", "delete"]) byId(id).hidden = whole || !day.may_change;
  byId("keep").textContent = thing.pinned ? "Keep no longer" : "Keep";
  const form = byId("export").elements;
  forget();
  form.from.value = typed(whole ? thing.begin : thing.start);
  form.to.value = typed(whole ? thing.end : new Date(Date.parse(thing.start) + 60000).toISOString());
  if (!whole) tell(thing);
}

function show(thing, play) {
  if (thing.segments === undefined && isStill(thing)) {
    stage.append(make("img", { src: thing.url, alt: `Picture of ${day.name}`, onerror: () => cover("It is not there any more") }));
    return;
  }
  const video = make("video", { controls: true, playsInline: true, preload: "metadata", autoplay: play, src: thing.url });
  if (thing.picture_url) video.poster = thing.picture_url;
  video.onerror = () => {
    if (chosen === thing) cover("This browser cannot play it. Download plays elsewhere.");
  };
  stage.append(video);
}

function cover(text) {
  const found = stage.querySelector(".cover");
  found.textContent = text;
  found.hidden = !text;
}

async function tell(item) {
  let facts;
  try {
    facts = await (await ask(`api/media/${item.id}`)).json();
  } catch {
    return;                // the player says what is wrong
  }
  if (!facts.codec || chosen?.id !== item.id) return;
  const list = [];
  const add = (text) => list.push(make("li", { textContent: text }));
  if (facts.duration) add(span(facts.duration));
  add(`${facts.width}×${facts.height} ${facts.codec}`);
  add(bytes(facts.size));
  if (facts.cause !== facts.kind) add(facts.cause);
  if (facts.zones.length) add(facts.zones.join(", "));
  if (facts.part > 1) add(`part ${facts.part}`);
  if (facts.receipt) add("stored");
  if (facts.interrupted) add("interrupted");
  if (facts.note) add(facts.note);
  byId("facts").replaceChildren(...list);
  byId("export").elements.to.value = typed(secondAfter(facts.end));
}

// -- what can be done

async function attempt(button, said, deed) {
  button.disabled = true;
  try {
    await deed();
  } catch (failure) {
    said.textContent = failure.message;
  }
  button.disabled = false;
}

byId("keep").onclick = () => attempt(byId("keep"), said, async () => {
  const { id, pinned } = chosen;
  await ask(`api/media/${id}/keep`, { method: "POST", body: JSON.stringify({ on: !pinned }) });
  for (const item of [chosen, ...day.items]) if (item.id === id) item.pinned = !pinned;
  byId("keep").textContent = chosen.pinned ? "Keep no longer" : "Keep";
  draw();
});

byId("delete").onclick = () => attempt(byId("delete"), said, async () => {
  if (!confirm(`Delete this ${chosen.kind} recording for ever?`)) return;
  const { id } = chosen;
  await ask(`api/media/${id}`, { method: "DELETE" });
  const place = day.items.findIndex((item) => item.id === id);
  day.items = day.items.filter((item) => item.id !== id);
  const next = day.items[Math.min(place, day.items.length - 1)] ?? null;
  history.replaceState(null, "", address(day.date, next?.id));
  draw();
  choose(next, false);
});

byId("save").onclick = () => attempt(byId("save"), said, async () => {
  said.textContent = "Saving …";
  const options = { method: "POST", body: JSON.stringify({ last: "60s" }) };
  const saved = await (await ask(`api/cameras/${camera}/clips`, options)).json();
  const told = `Saved ${span(saved.duration)}${saved.note ? ` (${saved.note})` : ""}`;
  said.textContent = `${told}, being finished …`;
  for (let look = 0; look < PATIENCE; look += 1) {
    const { found } = await fetchDay(null, "manual");
    if (found.items.some((item) => item.id === saved.id)) {
      said.replaceChildren(`${told}: `, make("a", { href: address(found.date, saved.id), textContent: "show it" }));
      await look_again();
      return;
    }
    await new Promise((done) => setTimeout(done, FINISHING));
  }
  said.textContent = `${told}, but it is not finished yet`;
});

// What was offered for download is not of these times any more.
function forget() { byId("export").querySelector(".said").replaceChildren(); }

byId("export").oninput = forget;

byId("export").onsubmit = (event) => {
  event.preventDefault();
  const form = event.target, said = form.querySelector(".said");
  attempt(form.querySelector("button"), said, async () => {
    const asked = new URLSearchParams({ from: form.elements.from.value, to: form.elements.to.value });
    const url = `api/cameras/${camera}/export.mp4?${asked}`;
    said.textContent = "Looking …";
    // A small range rather than HEAD: a refusal then says why.
    const answer = await ask(url, { headers: { Range: "bytes=0-0" } });
    const size = Number(answer.headers.get("Content-Range")?.split("/")[1]);
    const [from, to] = ["X-From", "X-To"].map((name) => clocks.format(local(answer.headers.get(name))));
    const gaps = answer.headers.get("X-Gaps") ? ", with gaps" : "";
    said.replaceChildren(
      make("a", { href: url, download: "", textContent: `Download ${from} to ${to}` }), ` (${bytes(size)}${gaps})`);
  });
};

// -- addresses: /cameras/<camera>/recordings/<day>#<id>

function address(date, id) {
  return `${root}cameras/${camera}/recordings/${date}${id ? `#${id}` : ""}`;
}

function go(date) {
  history.pushState(null, "", address(date));
  open();
}

async function fetchDay(date, kind = "event,manual,timelapse,snapshot") {
  const asked = new URLSearchParams({ kind, ...(date ? { date } : {}) });
  const text = await (await ask(`api/cameras/${camera}/recordings?${asked}`)).text();
  const found = JSON.parse(text);
  for (const hour of found.hours) hour.id = hour.begin;
  return { found, text };
}

// The local day in which the id in the address began, where the address names none.
async function dayOf(id) {
  const utc = id.match(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/);
  if (!utc) return fetchDay();
  const begin = Date.UTC(utc[1], utc[2] - 1, utc[3], utc[4], utc[5], utc[6]);
  const near = await fetchDay(new Date(begin).toISOString().slice(0, 10));
  const away = begin < Date.parse(near.found.begin) ? -1 : begin >= Date.parse(near.found.end) ? 1 : 0;
  return away ? fetchDay(new Date(begin + away * 86400000).toISOString().slice(0, 10)) : near;
}

async function open() {
  const date = location.pathname.match(/\/recordings\/(\d{4}-\d\d-\d\d)$/)?.[1];
  const id = decodeURIComponent(location.hash.slice(1));
  try {
    const { found, text } = await (date || !id ? fetchDay(date) : dayOf(id));
    day = found;
    seen = text;
  } catch (failure) {
    note.hidden = false;
    note.textContent = failure.message;
    return;
  }
  box.classList.remove("trouble");
  box.textContent = "Recordings";
  document.title = `${day.name}, ${pretty(day.date)} · edgecam`;
  byId("camera").textContent = day.name;
  byId("camera").href = `cameras/${camera}`;
  byId("save").hidden = !day.may_change;
  drawDays();
  draw();
  const thing = [...day.items, ...day.hours].find((thing) => thing.id === id) ?? null;
  choose(thing, false);
  if (id && !thing) cover("This recording is not there any more");
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

async function look_again() {
  if (day === null) { await open(); return; }
  try {
    const { found, text } = await fetchDay(day.date);
    box.classList.remove("trouble");
    box.textContent = "Recordings";
    if (text === seen || found.date !== day.date) return;
    day = found;
    seen = text;
    drawDays();
    draw();
  } catch (failure) {
    box.classList.add("trouble");
    box.textContent = failure.message;
  }
}

window.addEventListener("popstate", open);
setInterval(() => { if (!document.hidden) look_again(); }, POLL);
open();
