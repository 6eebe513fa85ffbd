// No import cycles among the modules of src: a file that needs another while that one is still loading gets nothing.
// Type-only imports may form cycles, as they are erased before the program runs.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

/** The compiled sources: there, what is imported for its types only is gone. */
const ROOT = fileURLToPath(new URL('../src', import.meta.url));

/** Static imports and re-exports of a module that lie in src. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(/^(?:import|export)\s[^;]*?from\s*'(\.[^']+)'|^import\s*'(\.[^']+)'/gm);
  return Array.from(found, ([, from, bare]) => resolve(dirname(file), (from ?? bare)!));
}

/** The first circle that is met, by its files. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (done.has(file)) return undefined;
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next);
      if (circle) return circle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file);
    if (circle) return circle;
  }
  return undefined;
}

test('an import cycle is found, and a shared dependency is not a cycle', () => {
  const graph = (edges: Record<string, string[]>) => new Map(Object.entries(edges));
  expect(circleIn(graph({ a: ['b', 'c'], b: ['c'], c: [] }))).toBeUndefined();
  expect(circleIn(graph({ a: ['b'], b: ['c'], c: ['b'] }))).toEqual(['b', 'c', 'b']);
});

test('no module of src imports itself by way of others', () => {
  const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => join(ROOT, name));
  expect(files.length).toBeGreaterThan(100);
  const graph = new Map(files.map((file) => [file, importsOf(file)]));
  expect(circleIn(graph)?.map((file) => relative(ROOT, file))).toBeUndefined();
});
