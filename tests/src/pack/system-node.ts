import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';

/** Node outside the workspace, with the npm beside it: what somebody has who installs the packages. */
export interface SystemNode {
  readonly version: string;
  /** Runs a command there, in a shell; its standard output. Throws with all it said where it fails. */
  readonly run: (command: string, folder: string) => string;
}

const LEAST = [20, 19] as const;

/** The environment of a terminal: without the workspace's commands and without what pnpm, npm and the test runner put into it. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const own = /^(npm_|pnpm_|vitest|node_env$|node_options$|node_path$|init_cwd$)/i;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name) && name.toLowerCase() !== 'path');
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}

/** The system's Node, or the reason why there is none to test with. */
export function findSystemNode(): SystemNode | string {
  const env = plainEnvironment();
  const run = (command: string, folder: string): string => {
    const { status, stdout, stderr } = spawnSync(command, { shell: true, cwd: folder, env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command}\n${stdout}${stderr}`);
    return stdout;
  };
  let version: string;
  try {
    version = run('node --version', '.').trim();
    run('npm --version', '.');
  } catch {
    return 'there are no node and npm on PATH outside the workspace';
  }
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) return `node on PATH is ${version}, older than ${LEAST.join('.')}`;
  return { version, run };
}
