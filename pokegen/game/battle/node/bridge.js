// Battles of Pokémon Showdown's simulator, many at once, for pokegen/game/battle/bridge.py.
//
//     node bridge.js PACKAGE MAX_TURNS
//
// Reads lines from standard input and answers each with one line. A line is a JSON array of commands:
//
//     ["start", battle, format, seed, [team, team], [team seed, team seed], [name, name]]
//     ["choose", battle, side, choice]     ["forfeit", battle, side]     ["stop", battle]
//     ["team", format, seed]               ["validate", format, team]
//
// and the answer is an array of updates, [battle, side, lines, request, winner], one for each side that has news; of
// {"battle": battle, "failed": message} where a battle does not start (battle null: where "team" or "validate" fails);
// and of {"answer": …} to "team" and "validate".
//
// Reading and writing block, and nothing else runs here: no event loop, no stream. The end of standard input ends us.
'use strict';

const fs = require('fs');
const path = require('path');

const [root, maxTurns] = [process.argv[2], Number(process.argv[3])];
const {Battle, Dex, TeamValidator, Teams} = require(path.join(root, 'dist', 'sim'));

// The simulator looks in each effect for each of an event's names, and a quarter of its time went into names that are not
// there. Which names a frozen effect has never changes.
const {getCallback} = Battle.prototype;
const handlers = new WeakMap();
Battle.prototype.getCallback = function (target, effect, name) {
	let names = handlers.get(effect);
	if (names === undefined) {
		names = Object.isFrozen(effect) ? new Set(Object.keys(effect)) : null;
		handlers.set(effect, names);
	}
	if (names && !names.has(name) && name !== 'onSwitchIn') return undefined; // an ability's onStart may be its onSwitchIn
	return getCallback.call(this, target, effect, name);
};

const SIDES = ['p1', 'p2'];
const battles = new Map();
let answers = []; // JSON, of the line that is being worked on

/** Both views of the battle's lines from `start` on. A secret line goes to its side alone, the other reads a public one. */
function views(log, start) {
	const found = ['', ''];
	for (let i = start; i < log.length; i++) {
		const line = log[i];
		if (line.startsWith('|split|p')) {
			const owner = line.charCodeAt(8) - 49; // '1'
			const [secret, shared] = [log[++i], log[++i]];
			if (secret) found[owner] += secret + '\n';
			if (shared) found[1 - owner] += shared + '\n';
		} else if (line && !line.startsWith('|t:|')) { // the time of day would make equal battles unequal
			found[0] += line + '\n';
			found[1] += line + '\n';
		}
	}
	return found;
}

class Room {
	constructor(number, format, seed) {
		this.number = number;
		this.news = ['', '']; // private lines: errors
		this.requests = [null, null]; // JSON, where there is a new one
		this.read = 0; // lines of the log that were sent
		this.battle = new Battle({formatid: format, seed, send: (type, data) => this.receive(type, data)});
	}

	receive(type, data) {
		if (type !== 'sideupdate') return; // "update" we read from the log, "end" from the battle
		const side = data.charCodeAt(1) - 49;
		const line = data.slice(3);
		if (line.startsWith('|request|')) this.requests[side] = line.slice(9);
		else this.news[side] += line + '\n';
	}

	choose(side, choice) {
		const battle = this.battle;
		if (!battle.choose(SIDES[side], choice)) { // the error is in the news; the question is open again
			const request = battle.sides[side].activeRequest;
			this.requests[side] ??= request && JSON.stringify(request);
			this.report(side);
		}
		if (maxTurns && battle.turn > maxTurns && !battle.ended) {
			battle.add('message', `The limit of ${maxTurns} turns was reached.`);
			battle.tie();
		}
		this.update();
	}

	forfeit(side) {
		this.battle.lose(SIDES[side]);
		this.update();
	}

	/** Tell both sides what happened, if anything did. */
	update() {
		const battle = this.battle;
		battle.sendUpdates();
		if (this.read === battle.log.length) return;
		const shown = views(battle.log, this.read);
		this.read = battle.log.length;
		for (const side of [0, 1]) {
			this.news[side] += shown[side];
			this.report(side);
		}
		if (battle.ended) this.close();
	}

	report(side) {
		const battle = this.battle;
		const winner = battle.ended ? battle.sides.findIndex(other => other.name === battle.winner) : null;
		const request = battle.ended ? null : this.requests[side];
		answers.push(`[${this.number},${side},${JSON.stringify(this.news[side])},${request},${winner}]`);
		this.news[side] = '';
		this.requests[side] = null;
	}

	/** The simulator failed: as on the server, a tie. */
	crash(error) {
		for (const side of [0, 1]) {
			const lines = `|bigerror|The simulator failed: ${String(error).replace(/[|\n]/g, ' ')}\n|tie\n`;
			answers.push(`[${this.number},${side},${JSON.stringify(this.news[side] + lines)},null,-1]`);
		}
		battles.delete(this.number);
	}

	close() {
		battles.delete(this.number);
		this.battle.destroy();
	}
}

function formatOf(name) {
	const format = Dex.formats.get(name);
	if (!format.exists || format.effectType !== 'Format') throw new Error(`There is no format '${name}'.`);
	return format;
}

function start(number, formatName, seed, teams, teamSeeds, names) {
	const format = formatOf(formatName);
	if (format.playerCount !== 2) throw new Error(`${format.name} is for ${format.playerCount} players, not 2.`);
	if (!format.team && teams.includes(null)) throw new Error(`${format.name} needs a team for each side.`);
	const room = new Room(number, format.id, seed);
	for (const side of [0, 1]) {
		const team = teams[side] === null ? null : Teams.unpack(teams[side]);
		if (teams[side] !== null && !team) throw new Error(`The team of ${names[side]} is not a packed team.`);
		room.battle.setPlayer(SIDES[side], {name: names[side], team, seed: teamSeeds[side]});
	}
	battles.set(number, room);
	room.update();
}

function answer(verb, format, given) {
	format = formatOf(format);
	if (verb === 'team') return Teams.pack(Teams.generate(format, {seed: given}));
	const team = Teams.unpack(given);
	return team ? new TeamValidator(format).validateTeam(team) || [] : ['This is not a packed team.'];
}

/** Put a message in place of an answer where the work fails. */
function attempt(work, number) {
	try {
		work();
	} catch (error) {
		answers.push(JSON.stringify({battle: number, failed: error.message}));
	}
}

function run([verb, number, ...rest]) {
	if (verb === 'start') return attempt(() => start(number, ...rest), number);
	if (verb === 'team' || verb === 'validate') {
		return attempt(() => answers.push(JSON.stringify({answer: answer(verb, number, ...rest)})), null);
	}
	const room = battles.get(number);
	if (!room) return; // over meanwhile
	try {
		if (verb === 'choose') room.choose(...rest);
		else if (verb === 'forfeit') room.forfeit(...rest);
		else room.close();
	} catch (error) {
		room.crash(error);
	}
}

function write(text) {
	const bytes = Buffer.from(text);
	for (let sent = 0; sent < bytes.length;) sent += fs.writeSync(1, bytes, sent);
}

const chunk = Buffer.allocUnsafe(1 << 16);
let parts = [];
for (;;) {
	const size = fs.readSync(0, chunk, 0, chunk.length, null);
	if (!size) break;
	const end = chunk.indexOf(10); // a line is sent when the last one was answered, so at most one ends here
	if (end < 0 || end >= size) {
		parts.push(Buffer.from(chunk.subarray(0, size)));
		continue;
	}
	parts.push(chunk.subarray(0, end));
	const line = Buffer.concat(parts).toString();
	parts = [];
	answers = [];
	for (const command of JSON.parse(line)) run(command);
	write(`[${answers.join(',')}]\n`);
}
