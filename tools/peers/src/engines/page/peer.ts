import type { EngineInfo } from '../engine.ts';

/** Where the server of the page shows the packages of `third-party`. */
export const peerUrl = (path: string): string => new URL(`/third-party/${path}`, location.href).href;

/** Imports a file of a peer as its package ships it, for browsers, untouched by a bundler. */
export const importPeer = async <T>(path: string): Promise<T> => (await import(/* @vite-ignore */ peerUrl(path))) as T;

export const peerVersion = async (name: string): Promise<string> =>
  ((await (await fetch(peerUrl(`${name}/package.json`))).json()) as { version: string }).version;

/** What the page's WebGPU runs on. */
export async function adapterFlags(): Promise<EngineInfo['flags']> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return {};
  const { vendor, architecture, isFallbackAdapter } = adapter.info;
  return { vendor, architecture, software: isFallbackAdapter };
}
