// ECharts options drawn to SVG without a browser.

import { createRequire } from 'node:module';
import type * as echarts from 'echarts';
import { FONT } from './theme.js';

type EChartsOption = echarts.EChartsOption;

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
