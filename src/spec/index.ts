/** Documents and command lines into workflows. */
export { adhocWorkflow, type AdhocOptions } from "./adhoc.ts";
export { convertSpec, type Spelling, SPELLINGS } from "./convert/convert.ts";
export { checkInputs } from "./check-inputs.ts";
export { loadSpec, type LoadOptions, specWarnings } from "./load.ts";
export { placeOfNeed } from "./place-of-need.ts";
export { parseNeed } from "./requirements.ts";
