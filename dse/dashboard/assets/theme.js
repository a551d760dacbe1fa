"use strict";
// Light or dark: as the system says, until the reader says otherwise. Set before the first paint.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("dse-theme"); } catch (error) { /* no storage: ask the system */ }
  const now = () => chosen || (system.matches ? "dark" : "light");
  const show = () => { document.documentElement.dataset.theme = now(); };
  show();
  window.dseTheme = (clicks) => {
    if (clicks) {
      chosen = now() === "dark" ? "light" : "dark";
      try { localStorage.setItem("dse-theme", chosen); } catch (error) { /* not kept */ }
      show();
    }
    return now();
  };
})();

// Dash's dropdowns are reached by the keyboard through an element that screen readers do not see: the button
// itself is to be reached, and to say what it chooses.
(() => {
  const set = (element, name, value) => {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };
  const mend = () => {
    for (const target of document.querySelectorAll(".dash-dropdown-focus-target")) set(target, "tabindex", "-1");
    for (const button of document.querySelectorAll("button.dash-dropdown")) {
      const label = button.closest(".control")?.querySelector(".label")?.textContent || "choose";
      set(button, "tabindex", "0");
      set(button, "aria-label", `${label}: ${button.textContent.trim().replace(/\s+/g, " ") || "none"}`);
      if (button.hasAttribute("aria-labelledby")) button.removeAttribute("aria-labelledby");
    }
  };
  let waits = false;  // once for all that changes before the next picture
  const soon = () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; mend(); });
  };
  new MutationObserver(soon).observe(document.documentElement, {
    childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["aria-labelledby", "tabindex"],
  });
})();
