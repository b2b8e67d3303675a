export { fishNet, fishnet150, fishnet201, fishnet99, fishnetMini, type FishNetShape } from './fishnet.ts';
export { networkName, networkNames, networks, type NetworkName } from './networks.ts';
export type { NetworkOptions } from './options.ts';
export { resNet, resnet101, resnet152, resnet18, resnet34, resnet50, resnetMini, type ResNetOptions, type ResNetShape } from './resnet.ts';
export * from './springenberg.ts';
export { squeezenet1_0, squeezenet1_1 } from './squeezenet.ts';
export { loadStateDict, readStateDict, type StateDict, type StateTensor } from './state-dict.ts';
