// Places the labels of improvements: never on one another, on a dot, on another mark, on a line from a
// dot to its label or outside the plot.
//
// No feasible trial lies beyond the running best, so the region on its far side is free of dots: below it where lower is better. A
// label stands there, left of its dot, or right of it beyond the best that the line reaches under the label.

/** A rectangle in pixels, y downwards. */
export type Box = { left: number; right: number; top: number; bottom: number };

/** Where a label stands: on a side of its dot, moved by `dy` pixels. */
export type Place = { side: 'left' | 'right'; dy: number };

const GAP = 8;
/** A label further from its dot than this would seem to belong to another. */
const FURTHEST = 46;
/** A label at least so far from its dot has a line to it. */
const LED = 16;
/** How far to the side that line ends. */
const LEAD = 6;

/** The end of the line from a dot to its label, from the dot; null where the label is near. */
export const leadOf = ({ side, dy }: Place): [dx: number, dy: number] | null =>
  Math.abs(dy) < LED ? null : [side === 'left' ? -LEAD : LEAD, dy];

/**
 * @param points pixels of the improvements, in order
 * @param sizes width and height of their labels
 * @param within the plot
 * @param sign 1 where the free region is below the line, -1 where it is above
 * @param marks what else labels must not cover
 * @returns null for labels that have no place; the last improvement comes first, then the first, then the largest steps
 */
export function placeLabels(
  points: readonly (readonly [number, number])[],
  sizes: readonly (readonly [number, number])[],
  within: Box,
  sign: 1 | -1,
  marks: readonly Box[] = [],
): (Place | null)[] {
  const step = (i: number) => Math.abs(points[i]![1] - (points[i - 1] ?? points[i]!)[1]);
  const last = points.length - 1;
  const rank = (i: number) => (i === last ? Infinity : i === 0 ? Number.MAX_VALUE : step(i));
  const order = points.map((_, i) => i).sort((a, b) => rank(b) - rank(a));
  const places: (Place | null)[] = points.map(() => null);
  const taken: Box[] = [];
  const leads: Box[] = [];
  for (const i of order) {
    const [x, y] = points[i]!;
    const [width, height] = sizes[i]!;
    /** The running best on the way to `until`, as far as it goes. */
    const lineUnder = (until: number) => {
      let at = y;
      for (let j = i + 1; j < points.length && points[j]![0] <= until; j++) at = points[j]![1];
      return at;
    };
    const candidates = (['left', 'right'] as const).flatMap((side) => {
      const [left, right] = side === 'left' ? [x - GAP - width, x - GAP] : [x + GAP, x + GAP + width];
      const first = side === 'left' ? y + sign * 3 : lineUnder(right + GAP) + sign * GAP;
      return [0, 1, 2].map((row) => {
        const near = first + sign * row * (height + 2);
        const [top, bottom] = sign === 1 ? [near, near + height] : [near - height, near];
        const place = { side, dy: (top + bottom) / 2 - y };
        const lead = leadOf(place);
        return {
          place,
          box: { left, right, top, bottom },
          lead: lead && between([x, y], [x + lead[0], y + lead[1]]),
        };
      });
    });
    const found = candidates.find(
      ({ place: { dy }, box, lead }) =>
        Math.abs(dy) <= FURTHEST &&
        isInside(box, within) &&
        !taken.some((other) => overlap(box, other, GAP)) &&
        ![...marks, ...leads].some((mark) => overlap(box, mark, 0)) &&
        !(lead && taken.some((other) => overlap(lead, other, 0))),
    );
    if (!found) continue;
    taken.push(found.box);
    if (found.lead) leads.push(found.lead);
    places[i] = found.place;
  }
  return places;
}

const between = ([ax, ay]: readonly [number, number], [bx, by]: readonly [number, number]): Box => ({
  left: Math.min(ax, bx),
  right: Math.max(ax, bx),
  top: Math.min(ay, by),
  bottom: Math.max(ay, by),
});

const isInside = (box: Box, outer: Box): boolean =>
  box.left >= outer.left && box.right <= outer.right && box.top >= outer.top && box.bottom <= outer.bottom;

const overlap = (a: Box, b: Box, gap: number): boolean =>
  a.left < b.right + gap && b.left < a.right + gap && a.top < b.bottom && b.top < a.bottom;
