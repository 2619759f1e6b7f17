// What the package knows of names, for pokegen/game/battle/mod.py.
//
//     node facts.js PACKAGE < {"species": [id, …], "moves": [name, …], "abilities": [name, …]}
//
// Prints {"species": {id: what it already is}, "moves": {name: the games' spelling}, "abilities": the
// same}: of the species only those that are taken, of moves and abilities only those that generation 9 has.
'use strict';

const path = require('path');
const {Dex, toID} = require(path.join(process.argv[2], 'dist', 'sim'));

const wanted = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const found = {species: Object.create(null), moves: Object.create(null), abilities: Object.create(null)};
const has = (table, id) => Object.prototype.hasOwnProperty.call(table, id);

for (const id of wanted.species) {
	const species = Dex.species.get(id);
	if (species.exists) found.species[id] = species.name;
	else if (id in Object.prototype || ['Pokedex', 'FormatsData', 'Conditions'].some(table => has(Dex.data[table], id))) {
		found.species[id] = 'a word of the simulator';
	}
}
for (const name of wanted.moves) {
	const move = has(Dex.data.Moves, toID(name)) && Dex.moves.get(name);
	if (move && !move.isNonstandard && !move.isZ && !move.isMax) found.moves[name] = move.name;
}
for (const name of wanted.abilities) {
	const ability = has(Dex.data.Abilities, toID(name)) && Dex.abilities.get(name);
	if (ability && !ability.isNonstandard) found.abilities[name] = ability.name;
}
console.log(JSON.stringify(found));
