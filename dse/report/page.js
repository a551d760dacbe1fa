"use strict";
// Draws the figures when they come into view, switches tabs, sorts the table, hands out the front as CSV.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();

  // Arrays that several figures share are kept once.
  const resolved = (value) => {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(resolved);
    if ("$pool" in value) return data.pool[value.$pool];
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolved(item)]));
  };

  const narrow = (place) => place.clientWidth < 560;

  const layoutOf = (figure, place) => {
    const layout = structuredClone(figure.layout);
    layout.template = dark.matches ? data.dark : data.light;
    if (narrow(place)) {
      layout.font = { size: 11 };
      layout.margin.l = layout.margin.r = 4;
    }
    return layout;
  };

  const draw = (place) => {
    const figure = data.figures[place.dataset.figure];
    const config = narrow(place) ? { ...data.config, displayModeBar: false } : data.config;
    Plotly.newPlot(place, resolved(figure.data), layoutOf(figure, place), config).then(() => {
      if (drawn.has(place)) return;
      drawn.add(place);
      place.on("plotly_click", (event) => show(event.points[0].customdata));
    });
  };

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".plot").forEach((place) => seen.observe(place));
  dark.addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll(".plot").forEach((place) => {
      if (!drawn.has(place) && place.clientWidth) draw(place);
    });
  });

  const show = (number) => {
    const row = document.getElementById(`design-${number}`);
    if (!row) return;
    document.querySelectorAll("tr.found").forEach((other) => other.classList.remove("found"));
    row.classList.add("found");
    row.scrollIntoView({ block: "center" });
  };

  // Tabs, as in the ARIA authoring practices. A hidden figure is dropped: browsers keep few WebGL contexts.
  document.querySelectorAll("[role=tablist]").forEach((list) => {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const choose = (chosen) => {
      for (const tab of tabs) {
        const on = tab === chosen;
        const panel = document.getElementById(tab.getAttribute("aria-controls"));
        tab.setAttribute("aria-selected", on);
        tab.tabIndex = on ? 0 : -1;
        panel.hidden = !on;
        if (on) continue;
        panel.querySelectorAll(".plot").forEach((place) => {
          if (drawn.delete(place)) Plotly.purge(place);
          seen.unobserve(place);
          seen.observe(place);
        });
      }
    };
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = tabs[(index + step + tabs.length) % tabs.length];
        next.focus();
        choose(next);
      });
    });
  });

  const table = document.getElementById("front-table");
  if (table) {
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => {
      const cell = row.cells[column];
      const value = Number.parseFloat(cell.dataset.v ?? cell.textContent);
      return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
    };
    heads.forEach((head, column) => head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => (a === b ? 0 : (a < b) === up ? -1 : 1));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    }));
  }

  const download = document.getElementById("download");
  if (download && data.csv !== null) {
    download.hidden = false;
    download.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([data.csv], { type: "text/csv" }));
      link.download = `${data.name.replace(/[^\w.-]+/g, "_")}-${data.table ?? "front"}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
})();
