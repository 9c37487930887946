// The page: live pictures with their age and state. Asks only while somebody can see it.
// One camera alone is shown as its stream; several as stills, since browsers open six connections to a host.

import { Settings } from "./settings.js";
import { ask } from "./shell.js";

const POLL = 2000;    // ms between two looks at the state, and between two stills
const RETRY = 1000;   // ms after a failure
const CALM = 10000;   // ms between two looks at the store

const one = location.pathname.match(/\/cameras\/([a-z0-9_]+)$/)?.[1];
const main = document.querySelector("#cameras");
const note = document.querySelector("#note");
const box = document.querySelector("#box");
const template = document.querySelector("#card");
const cards = new Map();

function ago(seconds) {
  if (seconds < 2) return "now";
  if (seconds < 120) return `${Math.round(seconds)} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "numeric", minute: "2-digit" });

class Card {
  constructor(camera) {
    this.root = template.content.cloneNode(true).querySelector("article");
    this.find = (name) => this.root.querySelector(name);
    this.image = this.find("img");
    this.taken = null;      // ms, by this browser's clock
    this.timer = null;
    this.live = false;
    this.single = false;    // shown alone: as its stream, while there is one
    this.sees = false;      // shows what motion sees instead
    this.round = 0;
    this.image.onerror = () => this.failed("no picture");
    this.find(".reload").onclick = () => this.start(this.single);
    this.find(".keep").onclick = () => this.keep();
    this.find(".motion").onclick = () => this.see(!this.sees);
    this.update(camera);
    if (one) this.settings();
  }

  async settings() {
    const panel = this.find(".settings");
    try {
      panel.hidden = !("viewers" in await (await ask(`api/cameras/${this.camera.id}`)).json());   // told to admins
    } catch {
      return;   // it stays hidden
    }
    new Settings(panel, this.camera.id);
  }

  update(camera) {
    // A stream whose server went away stays silently still, so it is opened anew when edgecam is back.
    const again = this.camera && (this.lost || camera.frames < this.camera.frames || camera.stream !== this.camera.stream
      || this.sees && camera.not_looking !== this.camera.not_looking);
    this.camera = camera;
    this.lost = false;
    this.image.alt = `${this.sees ? "What motion sees" : "Live picture"} of ${camera.name}`;
    const page = `cameras/${camera.id}`;
    this.find(".name").textContent = camera.name;
    for (const link of [this.find(".name"), this.find(".frame")]) {
      if (one) link.removeAttribute("href"); else link.href = page;
    }
    this.find(".still").href = camera.snapshot_url;
    this.find(".recordings").href = `${page}/recordings`;
    this.find(".live").href = camera.stream_url;
    this.find(".live").hidden = !camera.stream;
    this.find(".dot").className = `dot ${camera.online ? camera.state : "offline"}`;
    this.find(".dot").title = camera.online ? camera.state : "offline";
    const text = this.live && this.sees ? camera.width / 8 : 0;   // the lines below what motion sees
    if (camera.width) this.find(".frame").style.aspectRatio = `${camera.width} / ${camera.height + text}`;
    if (this.live) this.taken = camera.age === null ? null : Date.now() - camera.age * 1000;
    this.find(".cover").classList.toggle("shut", camera.state === "privacy");
    if (camera.state === "privacy") this.cover("Privacy is on");
    else if (this.live && this.sees && camera.not_looking) this.cover(`Nothing to see: ${camera.not_looking}`);
    else if (this.live) this.cover(camera.online && camera.age === null ? "Waiting for the first picture …" : "");
    else if (!camera.online) this.cover("Offline");
    this.facts(camera);
    if (again) this.start(this.single);
  }

  facts(camera) {
    const list = [];
    const add = (text, kind = "") => list.push(Object.assign(document.createElement("li"), { textContent: text, className: kind }));
    if (camera.moving) add("motion", "moving");
    if (camera.recording) add("recording", "recording");
    if (camera.state === "idle" || camera.state === "privacy") add(camera.state);
    if (!camera.stream) add("streaming is off");
    if (camera.light) add(camera.light);
    if (camera.width) add(`${camera.width}×${camera.height}`);
    add(`${camera.fps} fps`);
    add(camera.clients === 1 ? "1 viewer" : `${camera.clients} viewers`);
    if (camera.last_motion && !camera.moving) add(`last motion ${clock.format(new Date(camera.last_motion))}`);
    if (camera.blind === "schedule") add(`motion closed${camera.blind_until ? ` until ${day.format(new Date(camera.blind_until))}` : ""}`);
    if (camera.blind === "duty") add(`motion looks with pauses, blind ${camera.blind_percent} % of the time`);
    if (camera.problem) add(camera.problem, "problem");
    this.find(".facts").replaceChildren(...list);
  }

  disconnect() {
    this.lost = true;
    this.cover("No connection");
  }

  cover(text) {
    this.find(".cover").textContent = text;
    this.find(".cover").hidden = !text;
  }

  start(single) {
    this.stop();
    this.single = single;
    this.live = single && this.camera.stream;
    this.find(".motion").hidden = !this.live;
    if (!this.live) this.still();
    else if (!this.sees) this.image.src = `${this.camera.stream_url}?_=${Date.now()}`;
    else if (!this.camera.not_looking) this.image.src = `${this.camera.debug_url}?_=${Date.now()}`;
  }

  see(on) {
    this.sees = on;
    this.find(".motion").setAttribute("aria-pressed", on);
    this.start(this.single);
    this.update(this.camera);
  }

  stop() {
    this.round += 1;                       // what is still under way belongs to an earlier round
    clearTimeout(this.timer);
    this.image.removeAttribute("src");     // ends the stream: nobody looks
    if (this.blob) URL.revokeObjectURL(this.blob);
    this.blob = null;
  }

  async still() {
    const round = this.round;
    if (!this.camera.online) {
      this.timer = setTimeout(() => this.still(), RETRY);
      return;
    }
    let wait = POLL;
    try {
      // Not made smaller: the camera's own JPEG costs the box nothing and is never older than a frame.
      const answer = await ask(this.camera.snapshot_url);
      const bytes = await answer.blob();
      if (round !== this.round) return;
      const picture = URL.createObjectURL(bytes);
      this.image.src = picture;
      if (this.blob) URL.revokeObjectURL(this.blob);
      this.blob = picture;
      this.taken = Date.now() - Number(answer.headers.get("X-Frame-Age")) * 1000;
      this.cover("");
    } catch (failure) {
      if (round !== this.round) return;
      this.cover(failure.message);
      wait = RETRY;
    }
    this.timer = setTimeout(() => this.still(), wait);
  }

  failed(text) {
    if (!this.image.getAttribute("src")) return;
    this.cover(text);
    this.timer = setTimeout(() => this.start(this.single), RETRY);
  }

  async keep() {
    const button = this.find(".keep"), said = this.find(".said");
    button.disabled = true;
    try {
      const kept = await (await ask(`api/cameras/${this.camera.id}/snapshot`, { method: "POST" })).json();
      said.textContent = kept.id ? "Saved: " : "Taken, but it could not be kept on disk";
      if (kept.url) said.append(Object.assign(document.createElement("a"), { href: kept.url, textContent: kept.id, target: "_blank" }));
    } catch (failure) {
      said.textContent = failure.message;
    }
    button.disabled = false;
  }

  tick() {
    this.find(".age").textContent = this.taken === null ? "" :
      `${clock.format(new Date(this.taken))}, ${ago(Math.max(0, Date.now() - this.taken) / 1000)}`;
  }
}

function show(cameras) {
  const wanted = one ? cameras.filter((camera) => camera.id === one) : cameras;
  note.hidden = wanted.length > 0;
  if (!wanted.length) note.textContent = one ? "There is no such camera." : "No camera is configured yet.";
  main.classList.toggle("single", wanted.length === 1);
  for (const [id, card] of cards) {
    if (!wanted.some((camera) => camera.id === id)) {
      card.stop();
      card.root.remove();
      cards.delete(id);
    }
  }
  for (const camera of wanted) {
    const card = cards.get(camera.id);
    if (card) { card.update(camera); continue; }
    const fresh = new Card(camera);
    cards.set(camera.id, fresh);
    main.append(fresh.root);
    fresh.start(wanted.length === 1);
  }
  const away = wanted.filter((camera) => !camera.online || camera.problem).length;
  box.classList.toggle("trouble", away > 0);
  if (wanted.length < 2) box.textContent = "";
  else box.textContent = away ? `${away} of ${wanted.length} with a problem` : `${wanted.length} cameras`;
  if (one && wanted.length) document.title = `${wanted[0].name} · edgecam`;
}

// -- what waits for the store: one line below the cameras, for those who may see the whole box

const store = document.querySelector("#store");
const STORE = { ok: "store: in order", retrying: "store: trying again", blocked: "store: needs you", full: "store: full", held: "store: later" };

function size(bytes) {
  for (const [unit, name] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
  return `${bytes} B`;
}

function tell(spool) {
  const parts = [STORE[spool.state] ?? `store: ${spool.state}`];
  if (spool.reason) parts[0] += ` (${spool.reason})`;
  if (spool.next_try) {
    const wait = Math.round((new Date(spool.next_try) - Date.now()) / 1000);
    if (wait > 1) parts.push(`next try in ${wait < 120 ? `${wait} s` : `${Math.round(wait / 60)} min`}`);
  }
  parts.push(spool.files === 0 ? "nothing waits" : `${spool.files} waiting, ${size(spool.bytes)}`);
  if (spool.rate) parts.push(`${size(spool.rate)}/s`);
  if (spool.last_stored) parts.push(`last stored ${ago(Math.max(0, Date.now() - new Date(spool.last_stored)) / 1000)}`);
  if (spool.lost) parts.push(`${spool.lost} lost`);
  store.textContent = parts.join(" · ");
  store.classList.toggle("trouble", ["blocked", "full"].includes(spool.state));
  store.hidden = spool.state === "off";
}

let counting = null;

async function count() {
  clearTimeout(counting);
  try {
    tell((await (await ask("api/health")).json()).spool);
  } catch {
    store.hidden = true;
  }
  if (!document.hidden) counting = setTimeout(count, CALM);
}

let looking = null;

async function look() {
  clearTimeout(looking);
  let wait = POLL;
  try {
    show(await (await ask("api/cameras")).json());
  } catch (failure) {
    box.classList.add("trouble");
    box.textContent = failure.message;
    for (const card of cards.values()) card.disconnect();
    wait = RETRY;
  }
  if (!document.hidden) looking = setTimeout(look, wait);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(looking);
  clearTimeout(counting);
  for (const card of cards.values()) {
    if (document.hidden) card.stop();
    else card.start(cards.size === 1);
  }
  if (!document.hidden) { look(); count(); }
});

setInterval(() => { if (!document.hidden) for (const card of cards.values()) card.tick(); }, 500);
look();
count();
