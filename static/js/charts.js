// Draws what a deployment used: one chart each for CPU and memory, under [data-usage]. Asks anew while the page is seen.
(() => {
  const PERIOD_MS = 10_000;
  const HEIGHT = 150;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#066fd1";
  }

  function axes() {
    const ink = colour("--tblr-secondary");
    const grid = { stroke: colour("--tblr-border-color"), width: 1 };
    return [{ stroke: ink, grid }, { stroke: ink, grid, size: 60 }];
  }

  function draw(place, title, data) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    figure.append(caption);
    place.append(figure);
    const line = colour("--tblr-primary");
    const options = {
      width: figure.clientWidth || 400,
      height: HEIGHT,
      legend: { show: false },
      series: [{}, { label: title, stroke: line, fill: `${line}22`, width: 1.5 }],
      axes: axes(),
      scales: { y: { range: (_plot, _low, high) => [0, (high || 1) * 1.15] } },
    };
    const plot = new uPlot(options, data, figure);
    new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
    return plot;
  }

  async function read(place) {
    const answer = await fetch(place.dataset.usage, { headers: { Accept: "application/json" } });
    if (!answer.ok) return null;
    return answer.json();
  }

  function start(place) {
    let plots;
    async function refresh() {
      if (document.hidden) return;
      const data = await read(place).catch(() => null);
      if (!data || data.times.length < 2) return;
      const cpu = [data.times, data.cpu_cores];
      const memory = [data.times, data.memory_mb];
      if (!plots) {
        place.replaceChildren();
        plots = [draw(place, place.dataset.cpu, cpu), draw(place, place.dataset.memory, memory)];
      } else {
        plots[0].setData(cpu);
        plots[1].setData(memory);
      }
    }
    refresh();
    setInterval(refresh, PERIOD_MS);
  }

  document.querySelectorAll("[data-usage]").forEach(start);
})();
