import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { thirdParty } from './engines/third-party.ts';

/** Installs the peers where they are missing or older than their lockfile. Everything it prints goes to standard error. */
export function installPeers(log: (line: string) => void): void {
  const [lock, installed] = [`${thirdParty}pnpm-lock.yaml`, `${thirdParty}node_modules/.modules.yaml`];
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  log('installing the peers (once; some 300 MB)');
  const { status } = spawnSync('npx', ['-y', 'pnpm@12', '--dir', thirdParty, 'install', '--frozen-lockfile'], {
    stdio: ['ignore', process.stderr, process.stderr],
    // Its install script would fetch GPU libraries.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  if (status !== 0) log('the peers could not be installed: those that are missing are listed as not measured');
}
