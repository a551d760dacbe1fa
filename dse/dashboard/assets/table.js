"use strict";
// Tables of designs. Dash takes seconds for as many cells as these have; here they are plain elements, and stored
// text is only ever set as text.
(() => {
  let asked = 0;
  const go = (event, path) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    window.dash_clientside.set_props("url", { pathname: path, search: "" });
    window.scrollTo(0, 0);
  };
  const cell = (row, kind, text, numeric) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (numeric) made.className = "n";
    row.append(made);
    return made;
  };
  // Figures first: thousands of cells take the browser longer than a picture.
  const waiting = new Map();
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 200));
  window.dseTable = (id, data) => {
    if (!waiting.has(id)) idle(() => { const now = waiting.get(id); waiting.delete(id); draw(id, now); }, { timeout: 1500 });
    waiting.set(id, data);
  };
  const draw = (id, data) => {
    const place = document.getElementById(id);
    if (!place) return;
    place.replaceChildren();
    if (!data) return;
    if (data.note) {
      const note = document.createElement("p");
      note.className = "note";
      note.textContent = data.note;
      place.append(note);
    }
    if (!data.rows || !data.rows.length) return;
    const table = document.createElement("table"), head = document.createElement("tr");
    data.heads.forEach((text, k) => { cell(head, "th", text, data.numeric.includes(k)).scope = "col"; });
    cell(head, "th", "").scope = "col";
    head.lastChild.textContent = "Short list";
    table.createTHead().append(head);
    const body = table.createTBody();
    data.rows.forEach((texts, at) => {
      const row = document.createElement("tr"), number = data.numbers[at], path = data.paths[at];
      const link = document.createElement("a");
      link.href = path;
      link.textContent = `#${number}`;
      link.addEventListener("click", (event) => go(event, path));
      const first = document.createElement("td");
      first.append(link);
      row.append(first);
      texts.forEach((text, k) => cell(row, "td", text, data.numeric.includes(k + 1)));
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = data.kind === "add" ? "Add" : "Remove";
      button.setAttribute("aria-label", data.kind === "add"
        ? `Put design ${number} on the short list` : `Take design ${number} off the short list`);
      button.addEventListener("click", () => {
        asked += 1;
        window.dash_clientside.set_props("asked", { data: { kind: data.kind, number, count: asked } });
      });
      const last = document.createElement("td");
      last.append(button);
      row.append(last);
      body.append(row);
    });
    place.append(table);
  };
})();
