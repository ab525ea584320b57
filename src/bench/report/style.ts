/** The stylesheet of reports: light, dark, paper. */
import { PALETTE } from "./look.ts";

const light = [
  "--paper:#fff",
  "--ink:#1c1e21",
  "--soft:#5b6068",
  "--rule:#d5d9de",
  "--wash:#f4f5f7",
]
  .concat(["--good:#00704f", "--bad:#b3261e", "--link:#0060a8"])
  .concat(PALETTE.light.map((color, i) => `--c${i}:${color}`))
  .join(";");
const dark = [
  "--paper:#14161a",
  "--ink:#e8eaed",
  "--soft:#a3a9b2",
  "--rule:#3a3f47",
  "--wash:#1d2026",
]
  .concat(["--good:#5fd6a8", "--bad:#ff8a80", "--link:#6cb6ff"])
  .concat(PALETTE.dark.map((color, i) => `--c${i}:${color}`))
  .join(";");
const colors = PALETTE.light.map((_, i) => `.c${i}{--c:var(--c${i})}`).join("");

export const STYLE: string = `
:root{color-scheme:light dark;${light}}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 80px;max-width:1040px;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
h1{font-size:1.75rem;line-height:1.2;margin:8px 0 4px}
h2{font-size:1.35rem;margin:56px 0 4px;padding-top:12px;border-top:2px solid var(--ink)}
h3{font-size:1.05rem;margin:36px 0 8px}
p,ul{margin:8px 0}
a{color:var(--link)}
.soft{color:var(--soft)}
.checks,.glance{padding:0;list-style:none}
.checks li,.glance li{padding:3px 0 3px 1.9em;text-indent:-1.9em}
.checks b{display:inline-block;width:1.9em;text-indent:0;text-align:left}
.good b{color:var(--good)}
.bad b{color:var(--bad)}
.bad{font-weight:600}
.glance li{padding-left:1.1em;text-indent:-1.1em}
.glance li::before{content:"• "}
nav a{margin-right:1.1em}
figure{margin:0}
.scroll{overflow-x:auto}
svg{display:block;width:100%;min-width:620px;height:auto;font-size:13px}
figcaption{margin:6px 0 10px;padding:2px 14px;border-left:3px solid var(--rule)}
figcaption p{margin:5px 0}
figcaption b{font-weight:600}
table{border-collapse:collapse;font-size:.82rem;font-variant-numeric:tabular-nums;margin:10px 0}
th,td{padding:3px 12px 3px 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft);vertical-align:bottom;white-space:normal}
th:first-child,td:first-child{text-align:left}
.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
.facts td:first-child{color:var(--soft);white-space:nowrap}
pre{background:var(--wash);padding:10px 14px;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem;border-radius:4px}
${colors}
svg text{fill:var(--ink)}
svg .tick{fill:var(--soft);font-size:12px}
svg .axis{fill:var(--soft);font-size:12.5px}
svg .figure{font-variant-numeric:tabular-nums}
svg .grid{stroke:var(--rule);stroke-width:1}
svg .minor{stroke-opacity:.45}
svg .row{stroke:var(--rule);stroke-width:1;stroke-dasharray:1 3}
svg .reference{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:5 4}
svg .line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}
svg .leader{stroke:var(--c);stroke-width:.8;stroke-opacity:.55}
svg .range{stroke:var(--c);stroke-width:5;stroke-opacity:.28}
svg .whisker{stroke:var(--c);stroke-width:1.2}
svg .box{fill:var(--c);fill-opacity:.16;stroke:var(--c);stroke-width:1}
svg .median{stroke:var(--c);stroke-width:3}
svg .mark{fill:var(--c);stroke:var(--paper);stroke-width:.7}
svg .hollow{fill:var(--paper);stroke:var(--c);stroke-width:1.6}
svg .open{fill:none;stroke:var(--c);stroke-width:2}
@media print{
@page{margin:14mm}
body{max-width:none;padding:0;font-size:10pt}
nav{display:none}
h2{margin-top:28px}
h2,h3,section>p{break-after:avoid}
figure .keep,table,pre{break-inside:avoid}
.scroll{overflow:visible}
svg{min-width:0;max-height:88mm}
table{font-size:7.5pt}
th,td{padding-right:8px}
}
`;
