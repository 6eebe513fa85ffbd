// ECharts options drawn to SVG without a browser.

import { createRequire } from 'node:module';
import type * as echarts from 'echarts';
import { FONT } from './theme.js';

type EChartsOption = echarts.EChartsOption;

/** Renders a chart of `width` x `height` pixels; the same chart gives the same bytes. */
export function renderSvg(option: EChartsOption, width: number, height: number): string {
  // Loaded here: it takes longer than all else that tinygpt/tune loads. The build for production: the other one's assertions
  // fail on the rounding errors of ticks (an axis from 0.8400000000000001).
  const { init } = createRequire(import.meta.url)('echarts/dist/echarts.min') as typeof echarts;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      textStyle: { fontFamily: FONT },
      ...option,
    });
    return renumbered(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

/** Names of classes and clip paths count the charts that the process has drawn: here they count within the chart. */
function renumbered(svg: string): string {
  const names = new Map<string, string>();
  return svg.replace(/\bzr\d+-[a-z]+-?\d+\b/g, (name) => {
    if (!names.has(name)) names.set(name, `zr-${names.size}`);
    return names.get(name)!;
  });
}
