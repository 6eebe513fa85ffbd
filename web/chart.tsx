// A chart of ECharts in the page: drawn when it comes into view, redrawn as its data, width or colours change, described to
// screen readers.

import { BarChart, CustomChart, LineChart, ParallelChart, ScatterChart } from 'echarts/charts';
import {
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  ParallelComponent,
  VisualMapContinuousComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { CanvasRenderer } from 'echarts/renderers';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { DARK, type Drawing, FONT, type Frame, LIGHT, type Theme } from '../src/report/theme.js';

echarts.use([
  BarChart,
  CustomChart,
  LineChart,
  ParallelChart,
  ScatterChart,
  GridComponent,
  MarkAreaComponent,
]);
echarts.use([
  MarkLineComponent,
  ParallelComponent,
  VisualMapContinuousComponent,
  LabelLayout,
  CanvasRenderer,
]);

export const isDark = (): boolean => {
  const { scheme } = document.documentElement.dataset;
  return scheme ? scheme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};
const themeNow = (): Theme => (isDark() ? DARK : LIGHT);

/** Redraw every chart in the given colours and at most the given width. */
const charts = new Set<(theme?: Theme, width?: number) => void>();
export const redrawAll = (): void => {
  for (const redraw of charts) redraw();
};
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);
/** Width of a printed page's text in CSS pixels. */
const PRINTED = 680;
addEventListener('beforeprint', () => {
  for (const redraw of charts) redraw(LIGHT, PRINTED);
});
addEventListener('afterprint', redrawAll);

type Props = {
  /** Drawn anew whenever this function is another one; null where there is nothing to show. */
  draw: (frame: Frame) => Drawing | null;
  /** What a screen reader says in place of the chart. */
  label: string;
  /** What is shown beside a point, by its trial. */
  hint?: (trial: number) => ComponentChildren;
  onPick?: (trial: number) => void;
  /** Points in the first grid, (x, y, trial) in the order of x: the nearest one is hinted at. */
  points?: () => readonly (readonly [number, number, number])[];
  /** Less than this is not drawn; the chart scrolls sideways instead. */
  leastWidth?: number;
};

type Hovered = { trial: number; x: number; y: number };
/** Series of a chart with listed points that are not among them. */
const LANES = /^(pruned|failed)$/;
/** Pixels from a point within which it is meant. */
const REACH = 18;

export function Chart({ draw, label, hint, onPick, points, leastWidth = 0 }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const state = useRef({
    ...{ draw, points, onPick, leastWidth },
    /** Whether it is in view, and whether it must be drawn again when it is. */
    ...{ seen: false, stale: true, width: 0, chart: null as echarts.ECharts | null },
  });
  const [hovered, setHovered] = useState<Hovered | null>(null);
  const [empty, setEmpty] = useState(false);
  Object.assign(state.current, { draw, points, onPick, leastWidth });

  const redraw = useRef((theme?: Theme, width?: number) => {
    const { current } = state;
    const box = holder.current;
    current.stale = true;
    if (!box) return;
    current.width = box.parentElement!.clientWidth;
    const frame = {
      theme: theme ?? themeNow(),
      width: Math.max(current.leastWidth, width ?? current.width),
    };
    if (frame.width < 40) return;
    const drawing = current.draw(frame);
    setEmpty(drawing === null);
    box.style.height = `${drawing?.height ?? 0}px`;
    box.style.width = `${frame.width}px`;
    // One out of view takes its place only: nothing moves when it comes into view and is drawn.
    if (drawing === null || (!current.seen && width === undefined)) return;
    current.stale = false;
    // A canvas keeps the pixels that it began with: enlarged by the browser's zoom it would be blurred.
    const ratio = Math.max(1, devicePixelRatio);
    if (current.chart && current.chart.getDevicePixelRatio() !== ratio) {
      current.chart.dispose();
      current.chart = null;
    }
    current.chart ??= connect(echarts.init(box, null, { renderer: 'canvas', devicePixelRatio: ratio }));
    const { chart } = current;
    if (chart.getWidth() !== frame.width || chart.getHeight() !== drawing.height) {
      chart.clear(); // or the old one would be drawn again in the new size
      chart.resize({ width: frame.width, height: drawing.height });
    }
    chart.setOption(
      { animation: false, textStyle: { fontFamily: FONT }, ...drawing.option() },
      { notMerge: true },
    );
  }).current;

  function connect(chart: echarts.ECharts): echarts.ECharts {
    const show = (trial: number | null, x: number, y: number) => {
      chart.getZr().setCursorStyle(trial === null ? 'default' : 'pointer');
      setHovered(trial === null ? null : { trial, x, y });
    };
    const at = (x: number, y: number) => nearest(chart, state.current.points!(), x, y);
    if (state.current.points) {
      chart.getZr().on('mousemove', ({ offsetX, offsetY }) => show(at(offsetX, offsetY), offsetX, offsetY));
      chart.getZr().on('click', ({ offsetX, offsetY }) => {
        const trial = at(offsetX, offsetY);
        if (trial !== null) state.current.onPick?.(trial);
      });
    }
    // Lanes, and charts whose points are not listed.
    chart.on('mousemove', (params) => {
      const { event } = params;
      const trial = trialOf(params);
      if (trial !== null) show(trial, event?.offsetX ?? 0, event?.offsetY ?? 0);
    });
    chart.on('click', (params) => {
      const trial = trialOf(params);
      if (trial !== null && (!state.current.points || LANES.test(params.seriesName ?? '')))
        state.current.onPick?.(trial);
    });
    chart.on('mouseout', () => !state.current.points && show(null, 0, 0));
    chart.getZr().on('globalout', () => show(null, 0, 0));
    return chart;
  }

  useEffect(() => {
    charts.add(redraw);
    const around = holder.current!.parentElement!;
    const resized = new ResizeObserver(() => around.clientWidth !== state.current.width && redraw());
    resized.observe(around);
    const viewed = new IntersectionObserver(
      (entries) => {
        state.current.seen = entries.at(-1)!.isIntersecting;
        if (state.current.seen && state.current.stale) redraw();
      },
      { rootMargin: '250px' },
    );
    viewed.observe(around);
    return () => {
      charts.delete(redraw);
      resized.disconnect();
      viewed.disconnect();
      state.current.chart?.dispose();
    };
  }, []);
  useLayoutEffect(() => redraw(), [draw]);

  return (
    <div class="chart">
      <div class="drawing" role="img" aria-label={label}>
        <div ref={holder} aria-hidden="true" />
      </div>
      {empty && <p class="none">Nothing to show yet.</p>}
      {hovered && hint && <Hint at={hovered}>{hint(hovered.trial)}</Hint>}
    </div>
  );
}

/** A card beside the pointer, kept within the chart. */
function Hint({ at, children }: { at: Hovered; children: ComponentChildren }) {
  const card = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { offsetWidth, offsetHeight, parentElement, style } = card.current!;
    const { clientWidth, scrollLeft } = parentElement!.querySelector('.drawing')!;
    const x = at.x - scrollLeft;
    const left = x + 16 + offsetWidth <= clientWidth ? x + 16 : x - 16 - offsetWidth;
    style.left = `${Math.max(0, left)}px`;
    style.top = `${Math.max(-20, at.y - offsetHeight - 8)}px`;
  });
  return (
    <div class="hint" ref={card}>
      {children}
    </div>
  );
}

/** The trial of what the pointer is on. */
function trialOf({ data, seriesId }: { data?: unknown; seriesId?: string }): number | null {
  const { trial, value } = (typeof data === 'object' && data !== null ? data : {}) as {
    trial?: number;
    value?: unknown;
  };
  const named = /^trial (\d+)$/.exec(seriesId ?? '')?.[1];
  if (named !== undefined) return Number(named);
  const list = Array.isArray(data) ? data : value;
  const last = trial ?? (Array.isArray(list) ? list.at(-1) : undefined);
  return typeof last === 'number' ? last : null;
}

/** The point within reach of a place in pixels. */
function nearest(
  chart: echarts.ECharts,
  points: readonly (readonly [number, number, number])[],
  x: number,
  y: number,
): number | null {
  const finder = { gridIndex: 0 };
  if (!chart.containPixel(finder, [x, y])) return null;
  const [low] = chart.convertFromPixel(finder, [x - REACH, y]) as [number, number];
  const [high] = chart.convertFromPixel(finder, [x + REACH, y]) as [number, number];
  let from = 0;
  for (let to = points.length; from < to; ) {
    const middle = (from + to) >> 1;
    points[middle]![0] < low ? (from = middle + 1) : (to = middle);
  }
  let found: number | null = null;
  let least = REACH ** 2;
  for (let i = from; i < points.length && points[i]![0] <= high; i++) {
    const [px, py] = chart.convertToPixel(finder, [points[i]![0], points[i]![1]]) as [number, number];
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [found, least] = [points[i]![2], distance];
  }
  return found;
}
