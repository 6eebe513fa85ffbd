// Programs that a setup runs: compilers, npm, and Node.js to load once what was installed.

import { spawn } from 'node:child_process';

/** Runs a program; resolves to its output and exit code. */
export function runProgram(
  command: string,
  args: readonly string[],
  {
    cwd,
    signal,
    env = process.env,
  }: { cwd?: string; signal?: AbortSignal | undefined; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; output: string; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: signal as AbortSignal,
    });
    let output = '';
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output, stdout }));
  });
}

/**
 * Runs a module's text in a new Node.js process.
 * @returns the last line that it printed, to standard output (`answer`) and in all (`last`), and its exit code
 */
export async function runScript(
  script: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; answer: string; last: string }> {
  const args = ['--no-warnings', '--input-type=module', '-e', script];
  const { code, output, stdout } = await runProgram(process.execPath, args, {
    env: { ...process.env, ...env },
  });
  const lastOf = (text: string) => text.trim().split('\n').at(-1)!;
  return { code, answer: lastOf(stdout), last: lastOf(output) };
}
