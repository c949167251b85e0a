// Copies what the pages load from node_modules into static/vendor, and draws one sprite of the icons
// that templates and Python name. Run it by `npm run vendor`; it needs nothing but Node.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const vendor = join(root, "static", "vendor");

const FILES = {
  "@tabler/core/dist/css/tabler.min.css": "tabler.css",
  "@tabler/core/dist/js/tabler.min.js": "tabler.js",
  "htmx.org/dist/htmx.min.js": "htmx.js",
  "@alpinejs/csp/dist/cdn.min.js": "alpine.js",
  "uplot/dist/uPlot.iife.min.js": "uplot.js",
  "uplot/dist/uPlot.min.css": "uplot.css",
  "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter-latin.woff2",
  "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2": "inter-latin-ext.woff2",
};

// {% icon "name" %}, icon="name" in includes and in Python, "icon": "name".
const ICON_NAME = /(?:\{%\s*icon\s+|\bicon\s*=\s*|["']icon["']:\s*)["']([a-z0-9-]+)["']/g;

function copyFiles() {
  for (const [from, to] of Object.entries(FILES)) {
    const source = join(modules, from);
    // A source map's address would be a missing file to the static files' manifest.
    if (/\.(js|css)$/.test(to)) writeFileSync(join(vendor, to), withoutSourceMap(readFileSync(source, "utf8")));
    else cpSync(source, join(vendor, to));
  }
}

function withoutSourceMap(text) {
  return text.replace(/\n?\/[/*]# sourceMappingURL=\S+(?:\s*\*\/)?\s*$/, "\n");
}

function* filesUnder(folder, endings) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path, endings);
    else if (endings.some((ending) => entry.name.endsWith(ending))) yield path;
  }
}

/** Each icon's name, with the file that names it first. */
function iconsInUse() {
  const names = new Map();
  for (const file of filesUnder(join(root, "dashboard"), [".html", ".py"])) {
    for (const [, name] of readFileSync(file, "utf8").matchAll(ICON_NAME)) {
      if (!names.has(name)) names.set(name, relative(root, file));
    }
  }
  return names;
}

function symbol(name) {
  const svg = readFileSync(join(modules, "@tabler/icons/icons/outline", `${name}.svg`), "utf8");
  const drawing = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
  const lines = drawing.replace(/\s*<path stroke="none" d="M0 0h24v24H0z" fill="none" \/>/, "").replace(/\s+/g, " ");
  return `<symbol id="${name}" viewBox="0 0 24 24">${lines.trim()}</symbol>`;
}

function drawSprite(names) {
  const unknown = [...names].filter(([name]) => !existsSync(join(modules, "@tabler/icons/icons/outline", `${name}.svg`)));
  if (unknown.length) {
    for (const [name, file] of unknown) console.error(`${file}: @tabler/icons has no icon "${name}".`);
    process.exit(1);
  }
  const symbols = [...names.keys()].sort().map(symbol);
  writeFileSync(join(vendor, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`);
}

/** The land of the world as one path: one unit a degree, 0 0 is 180° west and 90° north (dashboard/maps.py). */
async function drawWorld() {
  const { feature } = await import("topojson-client");
  const atlas = JSON.parse(readFileSync(join(modules, "world-atlas", "land-110m.json"), "utf8"));
  const lands = feature(atlas, atlas.objects.land).features.flatMap((land) => land.geometry.coordinates);
  const point = ([east, north]) => `${(east + 180).toFixed(1)} ${(90 - north).toFixed(1)}`;
  const path = lands.flat().map((ring) => `M${ring.map(point).join("L")}Z`).join("");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><symbol id="land" viewBox="0 0 360 180"><path d="${path}"/></symbol></svg>`;
  writeFileSync(join(vendor, "world.svg"), `${svg}\n`);
}

if (!existsSync(join(modules, "@tabler", "core"))) {
  console.error("node_modules is missing: run `npm ci` first.");
  process.exit(1);
}
rmSync(vendor, { recursive: true, force: true });
mkdirSync(vendor, { recursive: true });
copyFiles();
const icons = iconsInUse();
drawSprite(icons);
await drawWorld();
console.log(`static/vendor: ${Object.keys(FILES).length} files and ${icons.size} icons.`);
