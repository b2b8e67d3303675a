import type { Runtime } from '@shoal/core';
import { parseFile, type ExternalFile, type ExternalOptions, type PermittedSkips } from '@shoal/conformance/external';
import { externalTexts } from '../../../tools/vitest/external-cases.ts';
import { declareExternal, type ExternalFolders } from './declare-external.ts';

const folders = (): ExternalFolders =>
  Object.fromEntries(
    Object.entries(externalTexts()).map(([name, files]) => [
      name,
      files && Object.entries(files).map(([path, text]) => parseFile(path, text)),
    ]),
  );

/** Every file that {@link describeExternal} reads. */
export const externalFiles = (): readonly ExternalFile[] => Object.values(folders()).flatMap((files) => files ?? []);

/**
 * One test per file of external cases, for the committed ones of PyTorch and, where SHOAL_PEER_CASES names a folder, for those
 * of ONNX and tfjs: every case passes or is a permitted skip.
 *
 * @param more skips that this backend adds to those permitted everywhere, by file
 */
export function describeExternal(
  backend: string,
  makeRuntime: () => Promise<Runtime>,
  more?: PermittedSkips,
  options?: ExternalOptions,
): void {
  declareExternal(folders(), backend, makeRuntime, more, options);
}
