// Python's versions, requirements and wheel names, to the extent that released wheels use them.
// Source: PEP 440 (versions), PEP 508 (requirements), PEP 427 and PEP 600 (wheel names, manylinux).

/** `tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl`, parsed. */
export interface WheelName {
  project: string;
  version: string;
  platforms: string[];
}

/** A requirement: a project and what its version must satisfy. */
export interface Requirement {
  project: string;
  /** `>=12.5.82,<13.0`; empty: any. */
  specifier: string;
}

/** What decides which wheels run here. */
export interface Platform {
  os: NodeJS.Platform;
  /** x86_64 or aarch64. */
  machine: string;
  /** `2.36`; undefined where the C library is another. */
  glibc: string | undefined;
}

/** This machine. */
export function thisPlatform(): Platform {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  return { os: process.platform, machine, glibc: header.glibcVersionRuntime };
}

/** Parses the file name of a wheel; undefined for anything else. */
export function parseWheelName(file: string): WheelName | undefined {
  // Letters, digits and a few signs: never a path, since files are stored under this name.
  const parts = /^\w[\w.+!-]*\.whl$/.test(file) && file.length <= 250 ? file.slice(0, -4).split('-') : [];
  if (parts.length < 5) return undefined;
  const [project, version] = parts as [string, string];
  return { project: normalName(project), version, platforms: parts.at(-1)!.split('.') };
}

/** PEP 503's normal form of a project's name. */
const normalName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

const LEGACY = { manylinux1: '2.5', manylinux2010: '2.12', manylinux2014: '2.17' } as Record<string, string>;

/** The lowest glibc version that a wheel's platform tags require on `machine`; undefined where none is for it. */
export function glibcNeeded(platforms: readonly string[], machine: string): string | undefined {
  const needed = platforms.flatMap((tag) => {
    if (tag === 'any') return ['0'];
    const parts = /^(manylinux(?:1|2010|2014)?|linux)(?:_(\d+)_(\d+))?_(.+)$/.exec(tag);
    if (!parts || parts[4] !== machine) return [];
    if (parts[2] !== undefined) return [`${parts[2]}.${parts[3]}`];
    return [LEGACY[parts[1]!] ?? '0'];
  });
  return needed.sort(compareVersions)[0];
}

/** True for a final release: no `rc1`, `.dev0`, `+local`. */
export const isRelease = (version: string): boolean => /^\d+(\.\d+)*(\.post\d+)?$/.test(version);

/** Negative when `a` is older than `b`; for releases. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const numbersOf = (version: string): number[] => version.replace('post', '').split('.').map(Number);

/** Whether a release satisfies all clauses of a specifier such as `>=12.5.82,<13.0`. */
export function satisfies(version: string, specifier: string): boolean {
  return specifier
    .split(',')
    .map((clause) => /^\s*(===?|!=|<=|>=|<|>|~=)?\s*(\S*)\s*$/.exec(clause))
    .every((clause) => {
      const [, operator = '==', bound = ''] = clause ?? [];
      if (bound === '') return true;
      if (bound.endsWith('.*')) {
        const inside = `${version}.`.startsWith(bound.slice(0, -1));
        return operator === '!=' ? !inside : inside;
      }
      const order = compareVersions(version, bound);
      if (operator === '~=') {
        const family = bound.split('.').slice(0, -1).join('.');
        return order >= 0 && `${version}.`.startsWith(`${family}.`);
      }
      return { '==': order === 0, '===': version === bound, '!=': order !== 0 }[operator] ?? inequality();
      function inequality(): boolean {
        return { '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[operator]!;
      }
    });
}

/** Requirements that a wheel's METADATA lists under an extra, e.g. `and-cuda`. */
export function requirementsOfExtra(metadata: string, extra: string): Requirement[] {
  const wanted = new RegExp(`extra\\s*==\\s*['"]${extra}['"]`);
  return metadata.split('\n').flatMap((line) => {
    const [, project, specifier, marker] =
      /^Requires-Dist:\s*([A-Za-z0-9._-]+)\s*\(?([^;()]*)\)?\s*;(.*)$/.exec(line) ?? [];
    return project && wanted.test(marker!)
      ? [{ project: normalName(project), specifier: specifier!.trim() }]
      : [];
  });
}
