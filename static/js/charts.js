// Draws lines with uPlot: what a deployment used under [data-usage], what a training logged under [data-metrics],
// how full a datacenter was under [data-statistics].
// Both ask anew while the page is seen.
(() => {
  const USAGE_PERIOD_MS = 10_000;
  const METRICS_PERIOD_MS = 2_000;
  const STATISTICS_PERIOD_MS = 60_000;
  const DAY_SECONDS = 86_400;
  const HEIGHT = 150;
  const WHOLE_STEPS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000].flatMap((unit) => [unit, 2 * unit, 5 * unit]);

  /** The theme's colours as a canvas understands them, which knows neither variables nor light-dark(). */
  function ink(place) {
    const colour = (name) => {
      const probe = document.createElement("span"); // a new element: nothing of it is on its way from another colour
      probe.className = name;
      place.append(probe);
      const found = getComputedStyle(probe).color;
      probe.remove();
      return found;
    };
    return { text: colour("chart-text"), grid: "rgb(128 128 128 / 18%)", line: colour("chart-line") };
  }

  /** The time of day, or the day where the chart shows several. */
  function clock(plot, seconds) {
    const { min, max } = plot.scales.x;
    const shown = max - min > 2 * DAY_SECONDS ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hour12: false };
    const format = new Intl.DateTimeFormat(document.documentElement.lang, shown);
    return seconds.map((second) => format.format(new Date(second * 1000)));
  }

  /** One chart in a figure of its own; `fromZero` for amounts, `times` when x is in seconds. A third column is what there is of it. */
  function draw(place, title, data, { fromZero = false, times = false } = {}) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    figure.append(caption);
    place.append(figure);
    let colours = ink(place);
    const rule = { stroke: () => colours.grid, width: 1 };
    const axis = { stroke: () => colours.text, grid: rule, ticks: rule };
    const options = {
      width: figure.clientWidth || 320,
      height: HEIGHT,
      legend: { show: false },
      series: [
        {},
        { label: title, stroke: () => colours.line, width: 2, points: { show: data[0].length < 30 } },
        ...(data[2] ? [{ stroke: () => colours.text, width: 1, dash: [4, 4], points: { show: false } }] : []),
      ],
      axes: [{ ...axis, ...(times ? { values: clock } : { incrs: WHOLE_STEPS }) }, { ...axis, size: 56 }],
      scales: {
        x: { time: times },
        ...(fromZero && { y: { range: (_plot, _low, high) => [0, (high || 1) * 1.15] } }),
      },
    };
    const plot = new uPlot(options, data, figure);
    const short = (value) => Number(value.toPrecision(4));
    const label = ([, values, totals]) => {
      const last = values.at(-1);
      const of = totals?.length ? ` / ${short(totals.at(-1))}` : "";
      caption.textContent = last === undefined ? title : `${title}: ${short(last)}${of}`;
    };
    label(data);
    new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
    document.addEventListener("serai:theme", () => {
      colours = ink(place);
      plot.redraw();
    });
    return {
      update(next) {
        plot.setData(next);
        label(next);
      },
    };
  }

  /** Calls `refresh` now and every so often; it says false when there is nothing more to come. */
  function keepFresh(refresh, period) {
    async function again() {
      const more = document.hidden ? true : await refresh().catch(() => true);
      if (more !== false) setTimeout(again, period);
    }
    again();
  }

  async function read(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  function usage(place) {
    let charts;
    keepFresh(async () => {
      const data = await read(place.dataset.usage);
      if (data.times.length < 2) return true;
      const pairs = [[data.times, data.cpu_cores], [data.times, data.memory_mb]];
      if (charts) charts.forEach((chart, index) => chart.update(pairs[index]));
      else {
        place.replaceChildren();
        const titles = [place.dataset.cpu, place.dataset.memory];
        charts = pairs.map((pair, index) => draw(place, titles[index], pair, { fromZero: true, times: true }));
      }
      return true;
    }, USAGE_PERIOD_MS);
  }

  function metrics(place) {
    const charts = new Map();
    const hint = place.querySelector("p");
    const initially = hint.textContent;
    let links;
    function link(runs) {
      links?.remove();
      links = document.createElement("p");
      for (const run of runs.filter((run) => run.url)) {
        const anchor = document.createElement("a");
        anchor.href = run.url;
        anchor.target = "_blank";
        anchor.rel = "noopener";
        anchor.textContent = `${place.dataset.open}: ${run.name || run.id}`;
        links.append(anchor);
      }
      place.append(links);
    }
    keepFresh(async () => {
      const data = await read(place.dataset.metrics);
      hint.textContent = data.problem || initially;
      hint.hidden = !data.problem && data.series.length > 0;
      for (const { name, steps, values } of data.series) {
        const pair = [steps, values];
        if (charts.has(name)) charts.get(name).update(pair);
        else charts.set(name, draw(place, name, pair));
      }
      if (data.runs.length) link(data.runs);
      return !data.runs.some((run) => ["FINISHED", "FAILED", "KILLED"].includes(run.status));
    }, METRICS_PERIOD_MS);
  }

  function statistics(place) {
    let charts;
    keepFresh(async () => {
      const data = await read(place.dataset.statistics);
      if (data.times.length < 2) return true;
      const columns = data.lines.map(({ used, total }) => [data.times, used, ...(total.length ? [total] : [])]);
      if (charts) charts.forEach((chart, index) => chart.update(columns[index]));
      else {
        place.replaceChildren();
        charts = columns.map((column, index) => draw(place, data.lines[index].title, column, { fromZero: true, times: true }));
      }
      return true;
    }, STATISTICS_PERIOD_MS);
  }

  document.querySelectorAll("[data-statistics]").forEach(statistics);
  document.querySelectorAll("[data-usage]").forEach(usage);
  document.querySelectorAll("[data-metrics]").forEach(metrics);
})();
