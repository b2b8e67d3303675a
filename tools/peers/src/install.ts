import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { thirdParty } from './engines/third-party.ts';

/** Installs the peers where they are missing or not what their lockfile says. Everything it prints goes to standard error. */
export function installPeers(log: (line: string) => void): void {
  // pnpm keeps the lockfile of what it has installed.
  const [wanted, installed] = [`${thirdParty}pnpm-lock.yaml`, `${thirdParty}node_modules/.pnpm/lock.yaml`];
  if (existsSync(installed) && readFileSync(wanted, 'utf8') === readFileSync(installed, 'utf8')) return;
  log('installing the peers (once; some 300 MB)');
  const { status } = spawnSync('npx', ['-y', 'pnpm@12', '--dir', thirdParty, 'install', '--frozen-lockfile'], {
    stdio: ['ignore', process.stderr, process.stderr],
    // Its install script would fetch GPU libraries.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  if (status !== 0) log('the peers could not be installed: those that are missing are listed as not measured');
}
