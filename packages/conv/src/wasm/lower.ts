import { panelColumns } from '@shoal/backend-wasm';
import { apply1, pad, type Lowering, type Shape, type Value } from '@shoal/core';
import type { Conv2dAttributes, Conv2dGeometry } from '../geometry.ts';
import { depthwiseTaps, isDepthwise } from './depthwise.ts';
import { packWeight, tapConvolution, type TapPlan } from './taps.ts';
import { applyWinograd } from './winograd/choice.ts';

/**
 * Chooses how a plan is computed. Directly: pads the source, packs the weights, and applies the plan. What is made of weights alone
 * inference does once.
 */
export function applyPlan(
  plan: TapPlan,
  operands: { readonly source: Value; readonly weight: Value; readonly bias?: Value | undefined },
  geometry: Conv2dGeometry,
  attributes: Conv2dAttributes,
  target: { readonly outputShape: Shape; readonly transposed: boolean },
  lowering: Lowering,
): readonly Value[] {
  const channels = target.transposed ? geometry.channelsPerGroup : geometry.outputChannelsPerGroup;
  const panel = panelColumns(lowering.device.flags['wide'] === true, channels);
  const fast = applyWinograd(plan, operands, attributes, { panel, ...target }, lowering);
  if (fast) return [fast];
  const { padding, ...rest } = plan;
  const { source, weight, bias } = operands;
  const padded = pad(source, { before: [0, padding.top, padding.left, 0], after: [0, padding.bottom, padding.right, 0] });
  const pack = {
    panel,
    groups: attributes.groups,
    transposed: target.transposed,
    phases: plan.phases.map(({ weightRows, weightColumns }) => ({ weightRows, weightColumns })),
  };
  const planned = { ...pack, ...rest, weightShape: weight.shape, outputShape: target.outputShape };
  const extra = bias ? [bias] : [];
  if (isDepthwise(geometry)) return [apply1(depthwiseTaps, [padded, weight, ...extra], planned)];
  return [apply1(tapConvolution, [padded, apply1(packWeight, [weight], pack), ...extra], planned)];
}
