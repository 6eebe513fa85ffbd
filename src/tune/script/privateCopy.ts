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
  realpathSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { expect, hasCode } from '../../base/errors.js';

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
 * @param changed the file that each copy gets its own text of, below the root: neither it nor a folder above it is a link,
 *   through which the original would be written
 * @throws UsageError where the folder holds too many files to copy for each trial
 */
export function readProject(root: string, without: string, changed: string): Project {
  const project: Project = { root, folders: [], files: [], links: [] };
  /** Whether the folder is copied, rather than linked as a whole. */
  const visit = (folder: string): boolean => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true }).filter(
      ({ name }) =>
        !LEFT_OUT.test(name) &&
        resolve(root, folder, name) !== resolve(without) &&
        !existsSync(join(root, folder, name, JOURNAL)),
    );
    const within = ({ name }: Dirent) => join(folder, name);
    const isChanged = (entry: Dirent) => within(entry) === changed;
    const leads = (entry: Dirent) => changed.startsWith(within(entry) + sep);
    const isLink = (entry: Dirent) =>
      !leads(entry) && !isChanged(entry) && (LINKED.test(entry.name) || entry.isSymbolicLink());
    const files = entries.filter((entry) => !isLink(entry) && (entry.isFile() || isChanged(entry)));
    const isPlain = files.length <= MOST_PLAIN_FILES;
    const isSmall = ({ name }: Dirent) => lstatSync(join(root, folder, name)).size <= LARGEST_COPY;
    const copied = files.filter(
      (entry) => isChanged(entry) || ((isPlain || SOURCE.test(entry.name)) && isSmall(entry)),
    );
    const before = project.folders.length;
    const inner = entries.filter((entry) => !isLink(entry) && (entry.isDirectory() || leads(entry)));
    const linked = inner.filter(({ name }) => !visit(join(folder, name)));
    const holdsStudy = resolve(without).startsWith(resolve(root, folder) + sep);
    const isData =
      !copied.some((entry) => isChanged(entry) || SOURCE.test(entry.name)) &&
      (!isPlain || copied.length < files.length);
    if (isData && project.folders.length === before && !holdsStudy && folder !== '') return false;
    const links = [...entries.filter(isLink), ...files.filter((entry) => !copied.includes(entry)), ...linked];
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
  for (const path of project.files) if (path !== changed.path) copyIfThere(join(root, path), join(to, path));
  mkdirSync(dirname(join(to, changed.path)), { recursive: true });
  rmSync(join(to, changed.path), { force: true });
  writeFileSync(join(to, changed.path), changed.text);
  // Links to what is copied lead to the copy of it: else its text would depend on the path that the program reads.
  const targets = project.links.map((path) => ({
    path,
    within: pathWithin(root, resolve(root, path)) ?? path,
  }));
  const isCopied = ({ path, within }: (typeof targets)[number]) =>
    within !== path && existsSync(join(to, within));
  for (const target of targets)
    symlinkSync(
      isCopied(target) ? resolve(to, target.within) : resolve(root, target.path),
      join(to, target.path),
    );
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

/** Other programs' files come and go in a project: editors' backups, logs. */
function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Tidying up is no reason for a trial to fail: what is gone is gone, a folder that is not empty stays. */
function attempt(action: () => unknown): void {
  try {
    action();
  } catch {
    // See above.
  }
}

/** Absolute paths within a text, as a shell, an option or a list has them: `cd /a/b && ...`, `--data=/a/b`, `/a:/b`. */
const absolutePaths = (root: string): RegExp => {
  const ends = '\\s"\'`:,;&|<>()';
  const known = root.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'); // with its blanks
  return new RegExp(`(?<=^|[${ends}=])(?:${known}|/(?!/))[^${ends}]*`, 'g');
};

/**
 * A word of a command for a copy, where the program runs: absolute paths into the project lead into the copy, through
 * whatever links they are written; a relative path out of the folder that the command was written for (`../data`) becomes
 * absolute, or leads into the copy too.
 */
export function intoCopy(
  word: string,
  { root, cwd, copy }: { root: string; cwd: string; copy: string },
): string {
  const lead = (path: string): string | null => {
    const whole = resolve(cwd, path);
    const written = relative(root, whole);
    if (!isOutside(written)) return join(copy, written);
    if (realPath(whole) === realPath(root)) return copy;
    const rest = pathWithin(root, whole);
    return rest === null ? null : join(copy, rest);
  };
  const [, before, path] = /^((?:-[^=]*=|\w+=)?)([\s\S]*)$/.exec(word)!;
  if (/^\.\.(?:\/|$)/.test(path!) && existsSync(resolve(cwd, path!)))
    return before! + (lead(path!) ?? resolve(cwd, path!));
  if (path!.startsWith(sep) && existsSync(path!)) return before! + (lead(path!) ?? path!);
  return word.replace(absolutePaths(root), (one) => lead(one) ?? one);
}

/** Where a path leads, also where its end does not exist. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/** Where a file stands, which may itself be a link. */
const placeOf = (path: string): string => join(realPath(dirname(path)), basename(path));

/** The path of a file below a folder, through whatever links both are written; null where it lies elsewhere. */
export function pathWithin(folder: string, file: string): string | null {
  const whole = resolve(file);
  const paths = [realPath(whole), placeOf(whole)].map((path) => relative(realPath(resolve(folder)), path));
  return paths.find((path) => path !== '' && !isOutside(path)) ?? null;
}

/** Whether a relative path leads out of the folder that it begins in. */
const isOutside = (path: string): boolean => path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
