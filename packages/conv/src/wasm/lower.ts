import { loweredKernel, panelColumns, type WasmKernel } from '@shoal/backend-wasm';
import { apply1, pad, type Lowering, type Shape, type Value } from '@shoal/core';
import { conv2dGradientInput, conv2dOp } from '../conv2d.ts';
import { conv2dGeometry, outputShape, type Conv2dAttributes, type Conv2dGeometry } from '../geometry.ts';
import { backwardPlan, forwardPlan, packWeight, tapConvolution, type TapAttributes, type TapPlan } from './taps.ts';

/** A convolution that is to be computed: forward, or backward to its input. */
export interface Planned {
  readonly plan: TapPlan;
  readonly source: Value;
  readonly weight: Value;
  readonly bias: Value | undefined;
  readonly geometry: Conv2dGeometry;
  readonly convolution: Conv2dAttributes;
  readonly outputShape: Shape;
  /** It runs backward. */
  readonly transposed: boolean;
  /** Output channels side by side in one panel. */
  readonly panel: number;
}

/** A way that is faster than the direct one for some convolutions; null for all others. */
export type Way = (planned: Planned, lowering: Lowering) => Value | null;

/** The plan over a padded source, and its attributes. */
export function padded({ plan, source, weight, convolution, outputShape, transposed, panel }: Planned): readonly [Value, TapAttributes] {
  const { padding, ...rest } = plan;
  const { top, bottom, left, right } = padding;
  const attributes = { ...rest, panel, groups: convolution.groups, transposed, weightShape: weight.shape, outputShape };
  return [pad(source, { before: [0, top, left, 0], after: [0, bottom, right, 0] }), attributes];
}

/** Directly: pads the source, packs the weights, and applies the plan. What is made of weights alone inference does once. */
function applyDirectly(planned: Planned): Value {
  const { weight, bias } = planned;
  const [source, attributes] = padded(planned);
  const { panel, groups, transposed } = attributes;
  const phases = attributes.phases.map(({ weightRows, weightColumns }) => ({ weightRows, weightColumns }));
  const packed = apply1(packWeight, [weight], { panel, groups, transposed, phases });
  return apply1(tapConvolution, [source, packed, ...(bias ? [bias] : [])], attributes);
}

function applyPlan(ways: readonly Way[], parts: Omit<Planned, 'panel'>, lowering: Lowering): readonly Value[] {
  const { channelsPerGroup, outputChannelsPerGroup } = parts.geometry;
  const panel = panelColumns(lowering.device.flags['wide'] === true, parts.transposed ? channelsPerGroup : outputChannelsPerGroup);
  const planned = { ...parts, panel };
  for (const way of ways) {
    const result = way(planned, lowering);
    if (result) return [result];
  }
  return [applyDirectly(planned)];
}

/** Kernels of convolutions and their gradients to the input, that go the first of several ways that is for them, and else the direct one. */
export const convolutions = (ways: readonly Way[]): Record<'conv2dOp' | 'conv2dGradientInput', WasmKernel> => ({
  conv2dOp: loweredKernel(conv2dOp, ([x, weight, bias], convolution, lowering) => {
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, convolution);
    const target = { outputShape: outputShape(geometry), transposed: false };
    const plan = forwardPlan(geometry, convolution);
    return applyPlan(ways, { plan, source: x!, weight: weight!, bias, geometry, convolution, ...target }, lowering);
  }),
  conv2dGradientInput: loweredKernel(conv2dGradientInput, ([dy, weight], convolution, lowering) => {
    const geometry = conv2dGeometry(conv2dGradientInput.name, convolution.inputShape, weight!.shape, convolution);
    const target = { outputShape: convolution.inputShape, transposed: true };
    const plan = backwardPlan(geometry, convolution);
    return applyPlan(ways, { plan, source: dy!, weight: weight!, bias: undefined, geometry, convolution, ...target }, lowering);
  }),
});
