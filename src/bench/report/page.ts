/** The page: one file, no address in it, no script. */
import type { Environment, Sample } from "../engines/samples.ts";
import type { Check } from "./checks.ts";
import type { Figure, Section, Table } from "./section.ts";
import { STYLE } from "./style.ts";
import { escape } from "./svg.ts";

export interface Page {
  samples: readonly Sample[];
  environment: Environment | null;
  checks: readonly Check[];
  sections: readonly Section[];
}

export function pageOf({ samples, environment, checks, sections }: Page): string {
  const title = `Holdall bench: ${sections.map((section) => section.title.toLowerCase()).join(", ")}`;
  const engines = new Set(samples.map((sample) => sample.engine)).size;
  const glance = sections.flatMap((section) =>
    section.figures.flatMap(({ glance: text }) => text ?? []),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escape(title)}</h1>
<p class="soft">${escape(byline(samples.length, engines, environment))}</p>
</header>
<main>
<h2 id="glance">At a glance</h2>
<ul class="checks">
${checks.map(checkItem).join("\n")}
</ul>
<ul class="glance">
${glance.map((text) => `<li>${escape(text)}</li>`).join("\n")}
</ul>
<nav>${[...sections.map(({ id, title: name }): [string, string] => [id, name]), ...FIXED_PARTS].map(([id, name]) => `<a href="#${id}">${escape(name)}</a>`).join("")}</nav>
${sections.map(sectionText).join("\n")}
${environmentText(samples, environment)}
${READING}
</main>
</body>
</html>
`;
}

const FIXED_PARTS: [string, string][] = [
  ["machine", "Machine and commands"],
  ["reading", "How to read the plots"],
];

function byline(count: number, engines: number, environment: Environment | null): string {
  const runs = `${count.toLocaleString("en")} runs on ${engines === 1 ? "one engine" : `${engines} engines`}`;
  if (environment === null) return `${runs}; when and where is not known`;
  const { at, cpu, cores, commit } = environment;
  const where = `${cpu}, ${cores} cores`;
  const when = at.replace(/T(\d\d:\d\d).*Z$/, " $1 UTC");
  return `${runs}; ${when}; ${where}${commit === null ? "" : `; commit ${commit.slice(0, 12)}`}`;
}

function checkItem({ ok, text }: Check): string {
  return `<li class="${ok ? "good" : "bad"}"><b>${ok ? "✓" : "✗"}</b>${escape(text)}</li>`;
}

function sectionText({ id, title, question, figures }: Section): string {
  const shown = figures.length === 0 ? "<p>No sample of this shows anything.</p>" : "";
  return `<section>
<h2 id="${escape(id)}">${escape(title)}</h2>
<p><em>${escape(question)}</em></p>
${shown}${figures.map(figureText).join("\n")}
</section>`;
}

function figureText({ title, svg, conclude, not, table }: Figure): string {
  const caption = [
    sentences("What it shows.", conclude),
    sentences("What it does not show.", not),
  ].filter((part) => part !== "");
  return `<figure>
<div class="keep">
<h3>${escape(title)}</h3>
${svg === null ? "" : `<div class="scroll">${svg}</div>`}
<figcaption>
${caption.join("\n")}
</figcaption>
</div>
${table === null ? "" : tableText(table)}
</figure>`;
}

function sentences(lead: string, texts: readonly string[]): string {
  return texts.length === 0 ? "" : `<p><b>${lead}</b> ${texts.map(escape).join(" ")}</p>`;
}

function tableText({ head, rows }: Table): string {
  // A column that is empty for all engines says nothing.
  const used = head.map((_, c) => c === 0 || rows.some((row) => (row[c] ?? "") !== ""));
  const cells = (tag: string, row: readonly string[]): string =>
    head
      .map((_, c) => (used[c] === true ? `<${tag}>${escape(row[c] ?? "")}</${tag}>` : ""))
      .join("");
  return `<div class="scroll"><table>
<thead><tr>${cells("th", head)}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n")}
</tbody></table></div>`;
}

function environmentText(samples: readonly Sample[], environment: Environment | null): string {
  const versions = new Map(samples.map(({ engine, version }) => [engine as string, version]));
  for (const [engine, origin] of Object.entries(environment?.engines ?? {})) {
    const version = versions.get(engine);
    const both =
      version === undefined || origin.includes(version) ? origin : `${version}; ${origin}`;
    versions.set(engine, both);
  }
  const facts: [string, string | null][] =
    environment === null
      ? []
      : [
          ["at", environment.at],
          ["commit", environment.commit],
          ["processor", `${environment.cpu}, ${environment.cores} cores`],
          ["memory", `${(environment.memory_bytes / 2 ** 30).toFixed(1)} GiB`],
          ["system", `${environment.os}, Linux ${environment.kernel}`],
          ["compiler", environment.compiler],
          [
            "zfp, zlib",
            [environment.zfp, environment.zlib].filter((each) => each !== null).join(", "),
          ],
          ["load before", environment.load_average.map((each) => each.toFixed(2)).join(" ")],
        ];
  const missing = Object.entries(environment?.missing ?? {});
  return `<section>
<h2 id="machine">Machine and commands</h2>
${factsTable([...facts.filter(([, value]) => value !== null && value !== ""), ...[...versions].map(([engine, version]): [string, string] => [engine, version])])}
${missing.length === 0 ? "" : `<h3>Engines that were left out</h3>\n${factsTable(missing)}`}
${environment === null ? "" : `<h3>To do it again</h3>\n<pre>${escape(commands(environment))}</pre>`}
<p>This page was made from <code>samples.jsonl</code> and <code>environment.json</code> alone; <code>holdall report FOLDER</code> makes it again. Every run is a line of <code>samples.jsonl</code>.</p>
</section>`;
}

function factsTable(rows: readonly (readonly [string, string | null])[]): string {
  const lines = rows.map(
    ([name, value]) => `<tr><td>${escape(name)}</td><td>${escape(value ?? "")}</td></tr>`,
  );
  return `<table class="facts"><tbody>\n${lines.join("\n")}\n</tbody></table>`;
}

function commands({ commit, command }: Environment): string {
  const clean = commit?.replace(/-dirty$/, "") ?? null;
  const changes = commit === clean ? "" : "  # and changes that were not committed";
  const before = clean === null ? [] : [`git checkout ${clean}${changes}`];
  return [...before, "scripts/setup --engines", command].join("\n");
}

const READING = `<section>
<h2 id="reading">How to read the plots</h2>
<ul>
<li>Rows of marks: each mark is one run (or start); marks are moved up or down only so that equal ones do not hide each other. The thick bar is the median. From five runs on, the box holds the middle half and the thin line reaches from the least to the most.</li>
<li>Curves: the mark is the median, the pale bar behind it reaches from the least to the most repetition.</li>
<li>Distributions: the height of a curve at some time is the share of tasks that took no longer. Curves on top of each other are equal; the further right, the slower.</li>
<li>An engine has the same colour, shape and dash everywhere. Hollow marks: Holdall handing its tasks to that engine.</li>
<li>An engine is called faster only if it was so in every one of five or more rounds. In a round each engine runs once, in another order each time.</li>
</ul>
</section>`;
