// ECharts options drawn to SVG without a browser.

import { createRequire } from 'node:module';
import type * as echarts from 'echarts';

type EChartsOption = echarts.EChartsOption;

/** Colours of the report. */
export const COLORS = {
  best: '#1a9850',
  trial: '#b8bcc4',
  pruned: '#d9a441',
  fail: '#c0392b',
  reference: '#4a6fa5',
  text: '#222831',
  grid: '#e8eaee',
  series: ['#1a9850', '#4a6fa5', '#c0392b', '#d9a441', '#7b5ea7', '#2a9d8f'],
};

// No quotes: the names stand inside SVG attributes.
export const FONT = 'system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif';

/** Renders a chart of `width` x `height` pixels. */
export function renderSvg(option: EChartsOption, width: number, height: number): string {
  // Loaded here: it takes longer than all else that tinygpt/tune loads.
  const { init } = createRequire(import.meta.url)('echarts') as typeof echarts;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      textStyle: { fontFamily: FONT },
      ...option,
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
