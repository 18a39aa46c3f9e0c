#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

// Requests that hang teach V8 that what a request allocates lives long; those that are refused beside them, thousands a
// second, would then be put where only a whole collection finds them (design/0002-data-path.md).
setFlagsFromString('--no-allocation-site-pretenuring')

// Before anything else is loaded: compiled code of the last start is half of the time to ready.
enableCompileCache()
const { runCommand } = await import('./cli/run-command.ts')

process.exitCode = await runCommand(process.argv.slice(2), process.env)
// Handles that a library forgot would hold the process: everything of ours is released by now.
process.exit()
