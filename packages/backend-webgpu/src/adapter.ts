import { adapterHint, exactTimestamps, openDawn } from '#dawn';
import { ShoalError, type DeviceInfo } from '@shoal/core';
import type { Storage } from './storage.ts';

/** How variants of kernels are chosen by timing. */
export interface AutotuneOptions {
  /**
   * Milliseconds that compiling one program may spend on it, about; default 1000. The kernels that take longest come first; what is not
   * reached runs as estimated, and has its turn next time.
   */
  readonly budget?: number;
  /** Also on adapters that compute on the CPU, where timing takes long and says nothing about a GPU. Default false. */
  readonly software?: boolean;
  /** Called before each kernel that is timed. */
  readonly onProgress?: (progress: TuningProgress) => void;
}

export interface TuningProgress {
  /** The op and the sizes that are timed now. */
  readonly kernel: string;
  /** How many kernels were timed before, of how many. */
  readonly done: number;
  readonly total: number;
}

/** What {@link webgpu} takes. */
export interface WebgpuOptions {
  /** Where adapters come from. Default: `navigator.gpu`; in Node without one, the npm package `webgpu` (Dawn), if it is installed. */
  readonly gpu?: GPU;
  /**
   * `default`: 3x3 convolutions go Winograd's way where that is estimated to be faster; the largest error is then within 2.5 times that
   * of direct float32 sums. `strict`: all are direct. Which way a layer takes follows from its shape alone.
   */
  readonly precision?: 'default' | 'strict';
  /**
   * `f16`: what the steps of a program hand to each other, and constants, lie as half floats, in half the room; kernels compute in float32.
   * Numbers then have 11 bits, and beyond 65504 they are infinite. Inputs, outputs, variables, scalars and vectors stay float32, and so
   * does a program that updates variables. Needs an adapter with `shader-f16`. Default `f32`.
   */
  readonly storage?: Storage;
  /** Take the adapter that computes on the CPU (SwiftShader). Default false. */
  readonly software?: boolean;
  /** Which of several adapters to prefer. */
  readonly powerPreference?: GPUPowerPreference;
  /**
   * Choose among variants of kernels with the same bits, such as tiles, by timing them when a program is compiled. Choices are kept
   * for the adapter: in the user's cache folder, in browsers in IndexedDB. Default true.
   */
  readonly autotune?: boolean | AutotuneOptions;
  /** Flags for Dawn where this opens it, `name=value`; see the package `webgpu`. */
  readonly dawnFlags?: readonly string[];
}

/** An open device and what is known about it. */
export interface OpenedDevice {
  /** Kept alive with the device. */
  readonly gpu: GPU;
  readonly device: GPUDevice;
  readonly info: DeviceInfo;
  /** Null without timestamp queries. In nanoseconds. */
  readonly timestampResolution: number | null;
  readonly storage: Storage;
  /** The fewest threads that act as one subgroup; 0 without the feature `subgroups`. */
  readonly subgroup: number;
}

const unavailable = (fact: string, next?: string, cause?: unknown): ShoalError =>
  new ShoalError('UNSUPPORTED', { op: 'backend-webgpu', fact, ...(next ? { next } : {}), ...(cause === undefined ? {} : { cause }) });

/** Opens a device with all that its adapter has. Throws `UNSUPPORTED` with the reason where there is none. */
export async function openDevice({
  gpu: given,
  precision = 'default',
  storage = 'f32',
  software = false,
  powerPreference,
  dawnFlags = [],
}: WebgpuOptions): Promise<OpenedDevice> {
  const own = given ?? (globalThis.navigator as Navigator | undefined)?.gpu;
  const gpu = own ?? (await openDawn({ software, flags: dawnFlags }));
  if (typeof gpu === 'string') throw unavailable(`WebGPU is not available: ${gpu}`);
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ forceFallbackAdapter: software, ...(powerPreference ? { powerPreference } : {}) });
  } catch (cause) {
    throw unavailable(`asking for an adapter failed: ${String(cause)}`, adapterHint, cause);
  }
  if (!adapter) throw unavailable(`WebGPU has no ${software ? 'software ' : ''}adapter`, adapterHint);
  const timed = adapter.features.has('timestamp-query');
  if (storage === 'f16' && !adapter.features.has('shader-f16')) {
    throw unavailable(`storage 'f16' needs the feature shader-f16, which ${nameOf(adapter)} lacks`, "Use storage 'f32'");
  }
  const subgroup = adapter.features.has('subgroups') ? adapter.info.subgroupMinSize : 0;
  const requiredFeatures: GPUFeatureName[] = [
    ...(timed ? (['timestamp-query'] as const) : []),
    ...(storage === 'f16' ? (['shader-f16'] as const) : []),
    ...(subgroup > 0 ? (['subgroups'] as const) : []),
  ];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ requiredFeatures, requiredLimits: limitsOf(adapter) });
  } catch (cause) {
    throw unavailable(`the adapter gave no device: ${String(cause)}`, adapterHint, cause);
  }
  const timestampResolution = timed ? (own === undefined && exactTimestamps ? 1 : 65536) : null;
  return { gpu, device, info: describe(adapter, { precision, storage }, timestampResolution), timestampResolution, storage, subgroup };
}

/** The adapter's maxima of what computing needs; the defaults would limit a tensor to 128 MiB. */
function limitsOf({ limits }: GPUAdapter): Record<string, number> {
  const names = [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxComputeWorkgroupSizeY',
    'maxComputeWorkgroupSizeZ',
    'maxComputeWorkgroupsPerDimension',
  ] as const;
  return Object.fromEntries(names.map((name) => [name, limits[name]]));
}

const nameOf = ({ info }: GPUAdapter): string =>
  [info.vendor, info.description || info.device || info.architecture].filter((part) => part !== '').join(' ') ||
  'an adapter that does not say its name';

function describe(
  adapter: GPUAdapter,
  { precision, storage }: Required<Pick<WebgpuOptions, 'precision' | 'storage'>>,
  timestampResolution: number | null,
): DeviceInfo {
  const { info, limits, features } = adapter;
  const software = info.isFallbackAdapter;
  return {
    backend: 'webgpu',
    device: nameOf(adapter),
    threads: 1,
    clock: timestampResolution === null ? 'performance.now around submit and onSubmittedWorkDone' : 'timestamp-query',
    flags: {
      vendor: info.vendor,
      architecture: info.architecture,
      software,
      winograd: precision === 'default',
      storage,
      features: [...features].toSorted().join(' '),
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      ...(timestampResolution === null ? {} : { timestampResolutionNs: timestampResolution }),
    },
    notes: [
      ...(software ? ['a software adapter: its times say nothing about a GPU'] : []),
      ...(timestampResolution !== null && timestampResolution > 1
        ? [`timestamps are quantized: a time below ${timestampResolution} ns reads as ${timestampResolution} ns`]
        : []),
    ],
  };
}
