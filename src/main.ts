#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// Before anything else is loaded: compiled code of the last start is half of the time to ready.
enableCompileCache()
const { runCommand } = await import('./cli/run-command.ts')

process.exitCode = await runCommand(process.argv.slice(2), process.env)
// Handles that a library forgot would hold the process: everything of ours is released by now.
process.exit()
