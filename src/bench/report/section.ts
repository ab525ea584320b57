/** What a report is made of. Pictures are SVG; everything else is plain text and is escaped by the page. */

export interface Table {
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

export interface Figure {
  title: string;
  /** null: a table alone */
  svg: string | null;
  /** what may be concluded, made from the data */
  conclude: readonly string[];
  /** what may not */
  not: readonly string[];
  table: Table | null;
  /** in one sentence, for the top of the page */
  glance?: string;
}

export interface Section {
  id: string;
  title: string;
  question: string;
  figures: readonly Figure[];
}
