"use strict";
// What an address says by itself: the tabs' own addresses, and the ranges that sliders keep.
(() => {
  // Back and forth in the browser: the controls show again what the address says.
  let path = location.pathname;
  window.addEventListener("popstate", () => {
    if (location.pathname === path) setTimeout(() => window.dash_clientside.set_props("returned", { data: Date.now() }), 0);
    path = location.pathname;
  });
  window.addEventListener("_dashprivate_pushstate", () => { path = location.pathname; });

  const short = (text) => {
    const value = Number(text);
    const size = Math.abs(value);
    if (size && (size < 1e-4 || size >= 1e7)) return value.toExponential(3).replace(/\.?0+e/, "e");
    return Number(value.toPrecision(4)).toLocaleString("en-US", { maximumSignificantDigits: 15 });
  };
  window.dseTabs = (search, pathname, ids) => {
    const parts = pathname.split("/");
    return ids.map((id) => `/study/${parts[2] || ""}/${id.key}${search || ""}`);
  };
  window.dseTold = (search, ids) => {
    const given = new URLSearchParams(search || "");
    return ids.map((id) => {
      const [low, high] = (given.get(`r.${id.key}`) || "..").split("..");
      if (!low && !high) return "all";
      if (!low) return `at most ${short(high)}`;
      if (!high) return `at least ${short(low)}`;
      return `${short(low)} to ${short(high)}`;
    });
  };
})();
