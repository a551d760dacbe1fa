"use strict";
// Figures first: what stands beside the front waits until it is drawn.
(() => {
  let count = 0;
  window.dseLater = () => new Promise((done) => {
    const say = () => { clearTimeout(timer); count += 1; done(count); };
    const plot = document.querySelector("#fig-front .js-plotly-plot");
    const timer = setTimeout(say, plot ? 500 : 0);
    if (plot && plot.once) plot.once("plotly_afterplot", () => requestAnimationFrame(say));
  });
})();
