// Bundles the page (reports and the dashboard) into build/src/report/page.js and page.css, when run and before tests.

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const bundle = () =>
  build({
    entryPoints: { page: at('./page.tsx') },
    outdir: at('../build/src/report'),
    tsconfig: at('./tsconfig.json'),
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
  });
export default bundle;
if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
