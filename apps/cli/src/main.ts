#!/usr/bin/env node
import { enableWide } from '@shoal/backend-wasm/wide';
import { runCommandLine } from './program.ts';

const streams = {
  out: (text: string) => void process.stdout.write(text),
  log: (text: string) => void process.stderr.write(text),
  interactive: process.stderr.isTTY,
};
process.exitCode = await runCommandLine(process.argv.slice(2), streams, enableWide);
