// The colours of plots and pages, light and dark, safe for colour-blind eyes (after Okabe and Ito); states differ in shape
// too, so that no meaning rests on a colour alone.

import type { EChartsOption } from 'echarts';

/** Colours of one scheme. */
export type Theme = {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly surface: string;
  readonly best: string;
  readonly trial: string;
  readonly pruned: string;
  readonly fail: string;
  readonly reference: string;
  /** Best to worst. */
  readonly ramp: readonly string[];
  /** Early to late. */
  readonly ages: readonly string[];
  /** Of samplers, studies and workers. */
  readonly series: readonly string[];
};

/** A chart with its height in pixels, which is known before the rest is worked out. */
export type Drawing = { height: number; option: () => EChartsOption };
/** What a chart is drawn for: its width in pixels and its colours. */
export type Frame = { width: number; theme: Theme };

/** The style of a hollow mark: ECharts fills its own empty symbols with white, on dark as well. */
export const hollow = (color: string, borderWidth = 1.5) => ({
  ...{ color: 'transparent', borderColor: color, borderWidth },
});

export const LIGHT: Theme = {
  text: '#1d232b',
  muted: '#5f6b7a',
  grid: '#e6e9ee',
  surface: '#ffffff',
  best: '#00835c',
  trial: '#86919f',
  pruned: '#b97700',
  fail: '#c8500a',
  reference: '#0b66a8',
  ramp: ['#04593f', '#1a8a66', '#6dbd9f', '#b4d6c9', '#dde3e8'],
  ages: ['#c6d5e8', '#5c88bd', '#12345f'],
  series: ['#00835c', '#0b66a8', '#c8500a', '#b97700', '#9a4d86', '#2b8fb5', '#6b6f76', '#5c7a00'],
};

export const DARK: Theme = {
  text: '#e3e8ee',
  muted: '#94a1b2',
  grid: '#262d37',
  surface: '#151a21',
  best: '#2fc79a',
  trial: '#66727f',
  pruned: '#e8a92e',
  fail: '#f0803c',
  reference: '#5db1ea',
  ramp: ['#8af3d0', '#2fc79a', '#23886a', '#2a5c51', '#38424d'],
  ages: ['#33455c', '#5b8fc9', '#cfe3fa'],
  series: ['#2fc79a', '#5db1ea', '#f0803c', '#e8a92e', '#d58ac2', '#63d0ea', '#a9b0ba', '#b2cf4a'],
};

// No quotes: the names stand inside SVG attributes.
export const FONT = 'system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif';
