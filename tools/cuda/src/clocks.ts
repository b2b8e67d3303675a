import { spawnSync } from 'node:child_process';

const asked = ['name', 'driver_version', 'clocks.sm', 'clocks.mem', 'clocks.max.sm', 'temperature.gpu', 'power.draw'];

/** What nvidia-smi says of the first GPU now; a text says why it says nothing. */
export function gpuState(): Readonly<Record<string, string>> | string {
  const { stdout, status, error } = spawnSync('nvidia-smi', [`--query-gpu=${asked.join()}`, '--format=csv,noheader', '--id=0'], {
    encoding: 'utf8',
  });
  if (error || status !== 0) return `nvidia-smi does not run: ${error?.message ?? `code ${status}`}`;
  const values = stdout.trim().split(', ');
  return Object.fromEntries(asked.map((name, i) => [name, values[i] ?? '']));
}
