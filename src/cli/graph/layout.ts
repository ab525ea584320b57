/** Places for a drawing: columns by stage, few crossings, room for every name. Lengths are in pixels. */
import { caption, type Drawing } from "./model.ts";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  width: number;
  height: number;
  /** of each node; x and y are the upper left corner */
  boxes: readonly Box[];
  /** of each edge: where it passes, from its beginning to its end */
  paths: readonly (readonly (readonly [x: number, y: number])[])[];
}

const CHARACTER = 7.9;
const ROW = 28;
const POINT = 8;
const GAP_X = 48;
const GAP_Y = 14;
const MARGIN = 16;
/** A name is cut beyond; the whole one is the tool tip. */
export const MOST_CHARACTERS = 40;
const SWEEPS = 6;
/** Edges over many columns are led around nodes only while that costs little. */
const MOST_BENDS = 20_000;

/** A node, or the place where an edge crosses a column. */
interface Spot {
  layer: number;
  node: number;
  height: number;
  y: number;
  left: number[];
  right: number[];
}

export function layoutOf({ nodes, edges }: Drawing): Layout {
  const used = [...new Set(nodes.map(({ layer }) => layer))].toSorted((a, b) => a - b);
  const column = new Map(used.map((layer, at) => [layer, at]));
  const spots: Spot[] = nodes.map(({ layer, kind }, node) => ({
    ...{ layer: column.get(layer)!, node, y: 0, left: [], right: [] },
    height: kind === "point" ? POINT : ROW,
  }));
  const ways = waysOf(spots, edges);
  const columns: number[][] = used.map(() => []);
  spots.forEach(({ layer }, spot) => columns[layer]!.push(spot));
  order(spots, columns);
  align(spots, columns);
  const widths = columns.map((column_) =>
    Math.max(
      ...column_.map((spot) => {
        const node = spots[spot]!.node;
        return node < 0 ? 0 : widthOf(nodes[node]!);
      }),
    ),
  );
  const starts: number[] = [];
  let x = MARGIN;
  for (const width of widths) {
    starts.push(x);
    x += width + GAP_X;
  }
  const top = Math.min(...spots.map(({ y, height }) => y - height / 2));
  const bottom = Math.max(...spots.map(({ y, height }) => y + height / 2));
  const down = MARGIN - top;
  const boxes = nodes.map((node, at): Box => {
    const { layer, y, height } = spots[at]!;
    const width = widthOf(node);
    const left = starts[layer]! + (widths[layer]! - width) / 2;
    return { x: left, y: y + down - height / 2, width, height };
  });
  const paths = edges.map(({ from, to }, edge) => {
    const [a, b] = [boxes[from]!, boxes[to]!];
    const middle = ({ y, height }: Box): number => y + height / 2;
    const through = ways[edge]!.flatMap((spot) => {
      const { layer, y } = spots[spot]!;
      const left = starts[layer]!;
      return [[left, y + down] as const, [left + widths[layer]!, y + down] as const];
    });
    return [[a.x + a.width, middle(a)] as const, ...through, [b.x, middle(b)] as const];
  });
  return {
    width: x - GAP_X + MARGIN,
    height: bottom - top + 2 * MARGIN,
    ...{ boxes, paths },
  };
}

function widthOf(node: Drawing["nodes"][number]): number {
  if (node.kind === "point") return POINT;
  const characters = Math.min(MOST_CHARACTERS, Bun.stringWidth(caption(node)));
  return Math.ceil(characters * CHARACTER) + 20;
}

/** Per edge: its crossings of the columns between its ends, which are added to `spots`. */
function waysOf(spots: Spot[], edges: Drawing["edges"]): number[][] {
  const span = ({ from, to }: Drawing["edges"][number]): number =>
    Math.max(0, spots[to]!.layer - spots[from]!.layer - 1);
  const bends = edges.reduce((sum, edge) => sum + span(edge), 0) <= MOST_BENDS;
  return edges.map((edge) => {
    const way: number[] = [];
    let last = edge.from;
    const join = (next: number): void => {
      if (spots[next]!.layer <= spots[last]!.layer) return;
      spots[last]!.right.push(next);
      spots[next]!.left.push(last);
      last = next;
    };
    for (let i = 1; bends && i <= span(edge); i++) {
      const layer = spots[edge.from]!.layer + i;
      const spot = spots.push({ layer, node: -1, height: 4, y: 0, left: [], right: [] }) - 1;
      way.push(spot);
      join(spot);
    }
    join(edge.to);
    return way;
  });
}

/** Sorts each column by where its neighbours stand, to and fro. */
function order(spots: readonly Spot[], columns: number[][]): void {
  const place = new Float64Array(spots.length);
  const number = (column: readonly number[]): void =>
    column.forEach((spot, at) => {
      place[spot] = at / column.length;
    });
  for (const column of columns) number(column);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forward = sweep % 2 === 0;
    for (const column of forward ? columns : columns.toReversed()) {
      const wanted = new Map(
        column.map((spot) => {
          const { left, right } = spots[spot]!;
          return [spot, mean(forward ? left : right, place) ?? place[spot]!];
        }),
      );
      column.sort((a, b) => wanted.get(a)! - wanted.get(b)! || place[a]! - place[b]!);
      number(column);
    }
  }
}

/** Moves everything towards the middle of its neighbours, as far as the order in its column allows. */
function align(spots: readonly Spot[], columns: readonly (readonly number[])[]): void {
  for (const column of columns) spread(spots, column, () => 0);
  const at = new Float64Array(spots.length);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    spots.forEach(({ y }, spot) => {
      at[spot] = y;
    });
    for (const column of columns)
      spread(spots, column, (spot) => {
        const { left, right, y } = spots[spot]!;
        return mean([...left, ...right], at) ?? y;
      });
  }
}

function spread(
  spots: readonly Spot[],
  column: readonly number[],
  wanted: (spot: number) => number,
): void {
  let end = -Infinity;
  let excess = 0;
  for (const spot of column) {
    const { height } = spots[spot]!;
    const wish = wanted(spot);
    const y = Math.max(wish, end + GAP_Y + height / 2);
    spots[spot]!.y = y;
    excess += y - wish;
    end = y + height / 2;
  }
  // pushed down only: the column as a whole goes back up by what that was on average
  for (const spot of column) spots[spot]!.y -= excess / column.length;
}

function mean(of: readonly number[], at: Float64Array): number | null {
  if (of.length === 0) return null;
  let sum = 0;
  for (const spot of of) sum += at[spot]!;
  return sum / of.length;
}
