// Runs the Pokémon Showdown server of the package folder given, until standard input ends: whoever started it is gone.
'use strict';

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
require('module')._load(require('path').join(process.argv[2], 'dist', 'server', 'index.js'), module, true);
