import { globSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Environment {
  readonly platform: NodeJS.Platform;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Paths that match a pattern. */
  readonly glob: (pattern: string) => readonly string[];
}

export const here = (): Environment => ({
  platform: process.platform,
  variables: process.env,
  home: homedir(),
  glob: (pattern) => globSync(pattern).toSorted().toReversed(),
});

export interface Places {
  /** Folders of the wheels of pip that have the library, below `site-packages`. */
  readonly wheels: readonly string[];
  /** Variables that name the library's own installation. */
  readonly own?: readonly string[];
}

/**
 * Patterns of folders where a library of NVIDIA's may be that the operating system does not find by itself, likeliest first: its own
 * installation, toolkits, conda, and the wheels of pip.
 */
export function libraryFolders({ platform, variables, home }: Environment, { wheels, own = [] }: Places): readonly string[] {
  const windows = platform === 'win32';
  const named = (names: readonly string[]): readonly string[] =>
    names.map((name) => variables[name]).filter((folder) => folder !== undefined);
  const conda = variables['CONDA_PREFIX'];
  const environment = variables['VIRTUAL_ENV'];
  const packages = windows
    ? [environment && join(environment, 'Lib/site-packages')]
    : [
        environment && join(environment, 'lib/python3*/site-packages'),
        conda && join(conda, 'lib/python3*/site-packages'),
        join(home, '.local/lib/python3*/site-packages'),
        '/usr/local/lib/python3*/*-packages',
        '/usr/lib/python3/dist-packages',
      ];
  return [
    ...named(own).flatMap((folder) =>
      windows ? [join(folder, 'bin'), join(folder, 'bin/*')] : [join(folder, 'lib'), join(folder, 'lib64')],
    ),
    ...named(['CUDA_PATH', 'CUDA_HOME']).flatMap((folder) =>
      windows ? [join(folder, 'bin'), join(folder, 'bin/x64')] : [join(folder, 'lib64')],
    ),
    ...(conda ? [join(conda, windows ? 'Library/bin' : 'lib')] : []),
    ...(windows ? [] : ['/usr/local/cuda/lib64', '/usr/local/cuda-*/lib64']),
    ...packages.flatMap((folder) => (folder ? wheels.map((wheel) => join(folder, wheel)) : [])),
  ];
}

/** What may be loaded: names, for the operating system to find, and then what is in the folders. */
export const candidates = (names: readonly string[], folders: readonly string[], { glob }: Environment): readonly string[] => [
  ...names,
  ...names.flatMap((name) => folders.flatMap((folder) => glob(join(folder, name)))),
];
