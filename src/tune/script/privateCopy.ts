// A private copy of a project for one trial. Files are copied, since an interpreter that follows a link would find its
// imports beside the original, and what is written through a link would change it; only large files, and folders of data,
// packages and caches are links.

import {
  copyFileSync,
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { expect } from '../../base/errors.js';

/** What a program reads as code or configuration. */
const SOURCE =
  /\.(?:py|pyi|pyx|ipynb|[cm]?[jt]sx?|json[c5]?|ya?ml|toml|cfg|ini|sh|R|jl|lua|rb|go|rs|c|cc|cpp|cu|h|hpp|lock)$|^(?:Makefile|Dockerfile)$/;
/** Linked as a whole: packages and caches, which no trial changes. */
const LINKED = /^(?:node_modules|venv|env|site-packages|\..*)$/;
/** Neither copied nor linked: compiled constants of another trial would be taken for its own. */
const LEFT_OUT = /^(?:__pycache__|\.pytest_cache|\.mypy_cache)$/;
/** A folder that holds one is a study, whose files come and go while others run. */
const JOURNAL = 'journal.log';
const MOST_FILES = 5000;
const LARGEST_COPY = 2 ** 22;
/** A folder with more files, none of them a source, holds data. */
const MOST_PLAIN_FILES = 200;

/** What a project's copies are made of: paths below the root. */
export type Project = { root: string; folders: string[]; files: string[]; links: string[] };

/**
 * Lists a project.
 * @param without a folder that is left out (that of the study)
 * @throws UsageError where the folder holds too many files to copy for each trial
 */
export function readProject(root: string, without: string): Project {
  const project: Project = { root, folders: [], files: [], links: [] };
  /** Whether the folder is copied, rather than linked as a whole. */
  const visit = (folder: string): boolean => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true }).filter(
      ({ name }) =>
        !LEFT_OUT.test(name) &&
        resolve(root, folder, name) !== resolve(without) &&
        !existsSync(join(root, folder, name, JOURNAL)),
    );
    const isLink = (entry: Dirent) => LINKED.test(entry.name) || entry.isSymbolicLink();
    const files = entries.filter((entry) => !isLink(entry) && entry.isFile());
    const isPlain = files.length <= MOST_PLAIN_FILES;
    const isSmall = ({ name }: Dirent) => lstatSync(join(root, folder, name)).size <= LARGEST_COPY;
    const copied = files.filter((entry) => (isPlain || SOURCE.test(entry.name)) && isSmall(entry));
    const before = project.folders.length;
    const inner = entries.filter((entry) => !isLink(entry) && entry.isDirectory());
    const linked = inner.filter(({ name }) => !visit(join(folder, name)));
    const holdsStudy = resolve(without).startsWith(resolve(root, folder) + sep);
    const isData =
      !copied.some(({ name }) => SOURCE.test(name)) && (!isPlain || copied.length < files.length);
    if (isData && project.folders.length === before && !holdsStudy && folder !== '') return false;
    const links = [...entries.filter(isLink), ...files.filter((entry) => !copied.includes(entry)), ...linked];
    const within = ({ name }: Dirent) => join(folder, name);
    project.folders.push(folder);
    project.files.push(...copied.map(within));
    project.links.push(...links.map(within));
    expect(
      project.files.length + project.links.length <= MOST_FILES,
      () =>
        `Expected a project of at most ${MOST_FILES} files to copy for each trial, got more in ${root}; run from the project's own folder`,
    );
    return true;
  };
  visit('');
  return project;
}

/**
 * Makes a copy.
 * @param changed the text of one file, by its path below the root
 * @returns a function that removes from the copy what the trial left as it was; the changed file and what the trial wrote
 *   stay
 */
export function copyProject(
  project: Project,
  to: string,
  changed: { path: string; text: string },
): () => void {
  const { root } = project;
  mkdirSync(to, { recursive: true });
  for (const folder of [...project.folders].sort()) mkdirSync(join(to, folder), { recursive: true });
  for (const path of project.links) symlinkSync(resolve(root, path), join(to, path));
  for (const path of project.files) if (path !== changed.path) copyFileSync(join(root, path), join(to, path));
  mkdirSync(dirname(join(to, changed.path)), { recursive: true });
  writeFileSync(join(to, changed.path), changed.text);
  return () => {
    for (const path of project.links)
      attempt(() => lstatSync(join(to, path)).isSymbolicLink() && unlinkSync(join(to, path)));
    for (const path of project.files)
      if (path !== changed.path)
        attempt(() => {
          const copy = join(to, path);
          if (readFileSync(copy).equals(readFileSync(join(root, path)))) unlinkSync(copy);
        });
    for (const folder of [...project.folders].sort().reverse()) attempt(() => rmdirSync(join(to, folder)));
  };
}

/** Tidying up is no reason for a trial to fail: what is gone is gone, a folder that is not empty stays. */
function attempt(action: () => unknown): void {
  try {
    action();
  } catch {
    // See above.
  }
}

/** A word of a command with the project's folder in it, for the copy. */
export function intoCopy(word: string, root: string, copy: string): string {
  const at = word.indexOf(root);
  if (at < 0 || !(at === 0 || word[at - 1] === '=')) return word;
  const rest = word.slice(at + root.length);
  return rest === '' || rest.startsWith(sep) ? word.slice(0, at) + copy + rest : word;
}

/** The path of a file below a folder; null where it lies elsewhere. */
export function pathWithin(folder: string, file: string): string | null {
  const path = relative(resolve(folder), resolve(file));
  return path === '' || path.startsWith('..') || resolve(path) === path ? null : path;
}
