#!/usr/bin/env node
import { runCommandLine } from './program.ts';

process.exitCode = await runCommandLine(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  log: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY,
});
