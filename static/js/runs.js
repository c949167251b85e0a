// Draws how metrics of one run, or of several, went ([data-courses]), anew while one of them trains and the page is
// seen; and says under the list of runs how many are chosen. Lines look as .run-line-0 … .run-line-9 say.
(() => {
  const PERIOD_MS = 2_000;
  const HEIGHT = 190;
  const WHOLE_STEPS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000].flatMap((unit) => [unit, 2 * unit, 5 * unit]);
  const short = (number) => (number === null || number === undefined ? "–" : String(Number(number.toPrecision(4))));

  /** The theme's look of an element with this class, as a canvas understands it. */
  function lookOf(place, name) {
    const probe = document.createElement("span"); // a new element: nothing of it is on its way from another colour
    probe.className = name;
    place.append(probe);
    const style = getComputedStyle(probe);
    const found = { color: style.color, dash: style.getPropertyValue("--dash").trim() };
    probe.remove();
    return found;
  }

  function inks(place, runs) {
    return {
      text: lookOf(place, "chart-text").color,
      grid: "rgb(128 128 128 / 18%)",
      lines: runs.map((run) => lookOf(place, `run-line-${run}`)),
    };
  }

  const dashOf = (line) => (line.dash && line.dash !== "none" ? line.dash.split(/\s+/).map(Number) : []);

  /** x and one column a run, with gaps where a run has no value at a step. */
  const joined = (courses) => uPlot.join(courses.map((course) => [course.steps, course.values]));

  function chart(place, { name, courses }, names) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    figure.append(caption);
    place.append(figure);
    const runs = courses.map((course) => course.run);
    let ink = inks(place, runs);
    let data = joined(courses);
    const rule = { stroke: () => ink.grid, width: 1 };
    const axis = { stroke: () => ink.text, grid: rule, ticks: rule };

    /** Of one run its last value; of several, which the table tells, those under the pointer. */
    function say(index) {
      const valueOf = (column) => (index === null ? column.findLast((one) => one !== null && one !== undefined) : column[index]);
      const nameOf = (line) => (names.length > 1 ? `${names[runs[line]]} ` : "");
      const values = data.slice(1).map((column, line) => nameOf(line) + short(valueOf(column)));
      const at = index === null ? "" : ` (${place.dataset.step} ${data[0][index]})`;
      caption.textContent = names.length > 1 && index === null ? name : `${name}${at}: ${values.join(" · ")}`;
    }

    const plot = new uPlot(
      {
        width: figure.clientWidth || 320,
        height: HEIGHT,
        legend: { show: false },
        series: [
          {},
          ...runs.map((run, index) => ({
            label: names[run] ?? name,
            stroke: () => ink.lines[index].color,
            dash: dashOf(ink.lines[index]),
            width: 2,
            spanGaps: true,
            points: { show: data[0].length < (runs.length > 3 ? 10 : 30) },
          })),
        ],
        axes: [{ ...axis, incrs: WHOLE_STEPS, size: 34 }, { ...axis, size: 56 }],
        scales: { x: { time: false } },
        hooks: { setCursor: [(plot) => say(plot.cursor.idx ?? null)] },
      },
      data,
      figure,
    );
    say(null);
    new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
    document.addEventListener("serai:theme", () => {
      ink = inks(place, runs);
      plot.redraw();
    });
    return {
      runs: runs.join(),
      figure,
      update(next) {
        data = joined(next);
        plot.setData(data);
        say(null);
      },
    };
  }

  async function read(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  function courses(place) {
    const charts = new Map();
    const hint = place.querySelector("p");
    const initially = hint.textContent;
    const names = [...document.querySelectorAll("#legend li")].map((line) => line.textContent.trim());

    function show(series) {
      const known = charts.get(series.name);
      if (known?.runs === series.courses.map((course) => course.run).join()) return known.update(series.courses);
      const drawn = chart(place, series, names);
      known?.figure.replaceWith(drawn.figure); // a run more has this metric now
      charts.set(series.name, drawn);
    }

    async function refresh() {
      const data = await read(place.dataset.courses);
      const leftOut = data.left_out ? `${data.left_out} ${place.dataset.leftOut}` : "";
      hint.textContent = data.problem || leftOut || initially;
      hint.hidden = !data.problem && !leftOut && data.series.length > 0;
      data.series.filter((series) => series.courses.length).forEach(show);
      return data.running;
    }

    async function again() {
      const more = document.hidden ? true : await refresh().catch(() => true);
      if (more) setTimeout(again, PERIOD_MS);
    }
    again();
  }

  function choice(form) {
    const words = document.getElementById("chosen");
    const boxes = [...form.querySelectorAll("input[name=ids]")];
    form.addEventListener("change", () => {
      const chosen = boxes.filter((box) => box.checked).length;
      words.textContent = chosen ? `${words.dataset.chosen}: ${chosen}. ${words.dataset.words}` : words.dataset.words;
      for (const box of boxes) box.disabled = !box.checked && chosen >= Number(form.dataset.most);
    });
  }

  document.querySelectorAll("[data-courses]").forEach(courses);
  document.querySelectorAll("form[data-most]").forEach(choice);
})();
