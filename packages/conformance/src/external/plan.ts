import type { ExternalCase, Source } from './format.ts';
import { onnxGeneral } from './onnx-general.ts';
import { onnxOptimizers } from './onnx-optimizers.ts';
import { onnxSpatial } from './onnx-spatial.ts';
import { CaseReader } from './reader.ts';
import { tfjs } from './tfjs.ts';
import { torch } from './torch.ts';

/** Builds the graph of a case: reads its inputs and attributes, says which value is which output. */
type Mapping = (r: CaseReader) => void;

const mappings: Readonly<Record<Source, Readonly<Record<string, Mapping>>>> = {
  onnx: { ...onnxSpatial, ...onnxGeneral, ...onnxOptimizers },
  torch,
  tfjs,
};

/** Maps a case onto Shoal's ops. Throws SkipCase where it cannot be. */
export function planCase(source: Source, one: ExternalCase): CaseReader {
  const reader = new CaseReader(one);
  const known = mappings[source];
  if (!Object.hasOwn(known, one.op)) reader.skip('op', one.op);
  known[one.op]!(reader);
  const unread = reader.unread();
  if (unread.length > 0) reader.skip('attribute', `unknown attribute ${unread.join(', ')}`);
  const asserted = one.outputs.filter((output) => output !== null).length;
  if (reader.outputs.length < asserted)
    reader.skip('attribute', `asserts ${asserted} outputs, of which ${reader.outputs.length} exist here`);
  return reader;
}

/** The ops of each source that can be mapped, for documentation. */
export function mappedOps(source: Source): readonly string[] {
  return Object.keys(mappings[source]).toSorted();
}
