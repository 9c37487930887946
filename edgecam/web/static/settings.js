// The settings of one camera, for those who may change it: each as its control, sent as soon as it is changed.

import { ask } from "./shell.js";

const NAMES = {
  motion_detection: "Motion detection",
  recording: "Recording",
  streaming: "Streaming",
  offload: "Offload",
  privacy: "Privacy",
  sensitivity: "Motion sensitivity",
  min_area: "Smallest motion",
  cooldown: "Motion cooldown",
  snapshot_interval: "Snapshot interval (0: none)",
  record_mode: "Record mode",
};

const made = (tag, properties) => Object.assign(document.createElement(tag), properties);
const words = (row, value) => row.kind === "switch" ? (value ? "on" : "off") : `${value}${row.unit ? ` ${row.unit}` : ""}`;

export class Settings {
  constructor(root, camera) {
    this.url = `api/cameras/${camera}/settings`;
    this.rows = root.querySelector(".rows");
    this.said = root.querySelector(".said");
    root.ontoggle = () => { if (root.open) this.ask(); };
  }

  async ask(options) {
    this.said.textContent = "";
    try {
      this.show(await (await ask(this.url, options)).json());
    } catch (failure) {
      if (options) await this.ask();   // what is in force is shown again
      this.said.textContent = failure.message;
    }
  }

  set(key, value) {
    return this.ask({ method: "PATCH", body: JSON.stringify({ [key]: value }) });
  }

  show(sheet) {
    const focused = document.activeElement?.name;
    const stays = !sheet.offload.file || document.querySelector("#store").hidden;
    if (stays) delete sheet.offload;   // nothing of this camera leaves the box
    this.rows.replaceChildren(...Object.entries(sheet).flatMap(([key, row]) => this.row(key, row)));
    this.rows.querySelector(`[name="${focused}"]`)?.focus();
  }

  row(key, row) {
    const control = this.control(key, row);
    const label = made("label", { textContent: NAMES[key] ?? key, htmlFor: control.id });
    const back = made("button", { type: "button", textContent: "↺", title: `Back to ${words(row, row.file)}, as in the file` });
    back.hidden = !row.changed;
    back.onclick = () => this.set(key, null);
    const cell = made("span", { className: "control" });
    cell.append(control, row.unit ?? "", back);
    return [label, cell];
  }

  control(key, row) {
    const common = { name: key, id: `setting-${key}` };
    if (row.kind === "switch") {
      const box = made("input", { ...common, type: "checkbox", checked: row.value });
      box.onchange = () => this.set(key, box.checked);
      return box;
    }
    if (row.kind === "select") {
      const list = made("select", common);
      list.append(...row.options.map((option) => made("option", { textContent: option, selected: option === row.value })));
      list.onchange = () => this.set(key, list.value);
      return list;
    }
    const field = made("input", { ...common, type: "number", min: row.min, max: row.max, step: row.step, value: row.value });
    field.onchange = () => this.set(key, field.value);
    return field;
  }
}
