export {
  convolutionRoles,
  type ConvolutionRoles,
  type IsolatedConvolution,
  type NamedConvolution,
  type TrunkConvolution,
} from './convolutions.ts';
export type { EdgeKind } from './edges.ts';
export {
  gradientFlow,
  type ActivationFlow,
  type EdgeFlow,
  type FlowEvent,
  type FlowReport,
  type GradientFlowOptions,
  type LayerFlow,
  type PoolFlow,
  type WeightFlow,
} from './gradient-flow.ts';
export type { ReachKind } from './reach.ts';
export type { Summary } from './summary.ts';
