// The things and people that stories are about, as tables: `== name: field; field` then one row a line.
// `@town forest` says in which worlds the rows below occur; `@` means in all of them.
// Cells are templates (grammar.ts), expanded once when a row is cast. Read by script.ts.

/** Names of children; they never overlap with creature names, so a name tells what its bearer may be. */
export const GIRLS = `Ada, Alma, Amira, Ana, Anna, Bea, Bella, Carla, Cora, Daisy, Dora, Elena, Ella, Elsie, Emma,
Esme, Eva, Faye, Flora, Freya, Gemma, Grace, Greta, Hana, Hazel, Heidi, Holly, Ida, Ines, Iris, Isla, Ivy, Jade, Jane,
Josie, June, Kate, Kira, Lena, Leila, Lola, Lucy, Luna, Mabel, Maya, Mei, Mila, Mina, Molly, Nadia, Nell, Nina, Nora,
Olive, Opal, Penny, Petra, Poppy, Priya, Rosa, Ruby, Sadie, Sara, Sofia, Stella, Tara, Tess, Tilly, Uma, Vera, Yara, Zoe`;

export const BOYS = `Adam, Alex, Amir, Andy, Arlo, Arthur, Asher, Ben, Bobby, Caleb, Carlos, Charlie, Cody, Dan, Dario,
David, Diego, Eli, Elliot, Emil, Eric, Ethan, Evan, Felix, Finn, Fred, Gabe, George, Gus, Hank, Harry, Henry, Hugo, Ian,
Isaac, Ivan, Jack, Jake, James, Jamal, Jasper, Joe, Joel, Jonah, Juan, Kai, Ken, Leo, Levi, Liam, Louis, Luca, Luke,
Marco, Max, Miles, Milo, Nate, Ned, Noah, Oliver, Omar, Oscar, Otis, Owen, Pablo, Paul, Pedro, Peter, Ravi, Remy, Rory,
Sam, Silas, Simon, Teddy, Theo, Toby, Tom, Victor, Walter, Yusuf, Zack`;

export const CREATURES = `Bramble, Bobbin, Breeze, Chestnut, Clover, Cocoa, Copper, Crumb, Dandy, Dash, Dot, Dusty, Fern,
Fidget, Flip, Freckles, Fuzzy, Ginger, Hickory, Jingle, Juniper, Maple, Midge, Minnow, Mocha, Moss, Nibbles, Nutmeg, Oats,
Patch, Pebble, Pepper, Pickle, Pip, Pippin, Puddle, Quill, Ripple, Rusty, Scamper, Skip, Smudge, Snowdrop, Sorrel, Speckle,
Sprout, Thimble, Thistle, Tumble, Twig, Waffle, Whiskers, Wink, Ziggy, Bumble, Tansy, Rolo, Toffee, Peanut, Domino`;

/** Lists of words, each a rule of its name. */
export const LISTS = `
color: red, blue, green, yellow, purple, orange, pink, white, golden, silver, brown, gray, black, sky-blue, scarlet, dark blue, pale green, bright red, snow-white, cherry-red, grass-green, honey-colored, plum-colored, rose-pink
look: shiny, old, new, little, tiny, big, striped, spotted, bright, pretty, fancy, plain, funny, speckled, neat, odd, handsome, dainty, checkered, faded, colorful, sparkling
touch: soft, fluffy, warm, fuzzy, cozy, woolly, patched, worn, floppy, silky, knitted, quilted, thick, ragged
hard: smooth, heavy, polished, gleaming, crooked, dusty, sturdy, solid, rusty, scratched
made: wooden, tin, painted, carved, homemade, copper, clay, brass, glass
baked: warm, fresh, sweet, sticky, tasty, yummy, delicious, golden, crunchy, crispy, buttery, hot
fruity: sweet, ripe, juicy, round, tasty, fresh, shiny, plump, perfect
trait: kind, curious, brave, cheerful, clever, gentle, lively, shy, thoughtful, friendly, playful, helpful, quiet, merry, dreamy, careful, bold, patient, funny, polite, honest, generous, stubborn, nimble, sensible, daring, peaceful, bright
happy: happy, glad, pleased, joyful, delighted, cheerful, full of joy, merry, content, overjoyed, thrilled
sad: sad, unhappy, gloomy, heartbroken, miserable, close to tears, downhearted, sorrowful
afraid: afraid, scared, frightened, worried, nervous, uneasy, fearful
surprised: surprised, amazed, astonished, startled, puzzled
tired: tired, sleepy, worn out, weary, ready for bed
nice: nice, lovely, wonderful, fine, splendid, perfect, beautiful, marvelous, charming, delightful
very: very, so, quite, really, ever so
small: small, little, tiny, wee
big: big, large, huge, enormous, giant
size: big, little, small, tiny, huge
went: went, walked, ran, hurried, skipped, set off, marched, wandered, strolled, trotted, rushed, raced
ran: ran, raced, rushed, dashed, hurried, flew, sped, charged
bug: ladybug, beetle, bumblebee, dragonfly, cricket, caterpillar, grasshopper, moth, snail, spider, ant, firefly, worm, butterfly, honeybee, slug, centipede, water bug
bird: robin, sparrow, wren, bluebird, swallow, woodpecker, finch, magpie, dove, crow, lark, blackbird, nightingale, cuckoo, blue jay, cardinal, thrush, pigeon, raven, starling
flower: daisy, tulip, rose, poppy, violet, buttercup, bluebell, lily, sunflower, dandelion, pansy, primrose, marigold, lilac, cornflower, snowdrop, daffodil, peony, foxglove, forget-me-not
birds: robins, sparrows, wrens, bluebirds, swallows, woodpeckers, finches, magpies, doves, crows, larks, blackbirds, nightingales, cuckoos, blue jays, cardinals, thrushes, pigeons, ravens, starlings
bugs: ladybugs, beetles, bumblebees, dragonflies, crickets, caterpillars, grasshoppers, moths, snails, spiders, ants, fireflies, worms, butterflies, honeybees, slugs, centipedes, water bugs
flowers: daisies, tulips, roses, poppies, violets, buttercups, bluebells, lilies, sunflowers, dandelions, pansies, primroses, marigolds, lilacs, cornflowers, snowdrops, daffodils, peonies, foxgloves, forget-me-nots
trees: oaks, willows, pines, birches, maples, apple trees, beeches, chestnut trees, elms, cherry trees, plum trees, firs, poplars, pear trees, ash trees, lindens
tree: oak, willow, pine, birch, maple, apple tree, beech, chestnut tree, elm, cherry tree, plum tree, fir, poplar, pear tree, ash tree, linden
sound: rustle, rattle, squeak, thump, click, creak, jingle, hum, tap, crackle
thanks: thank you so much, thank you, many thanks, thank you a hundred times, how kind of you, thank you from the bottom of my heart
soon: soon, before long, after a while, a little later, in a little while, by and by, a moment later
suddenly: suddenly, all at once, all of a sudden, just then, at that very moment, without warning
tool: hammer, kettle, clock, chair, wheel, lantern, basket, bucket, roof, fence, umbrella, music box
townhead: Alder, Amber, Apple, Ash, Badger, Barley, Beech, Berry, Birch, Bramble, Brook, Butter, Clover, Copper, Corn, Cross, Daisy, Elder, Elm, Fern, Fox, Golden, Goose, Green, Hare, Hazel, Heather, Hollow, Honey, Ivy, Juniper, King, Lark, Lily, Little, Long, Maple, Marsh, Meadow, Mill, Moss, North, Nut, Oak, Old, Otter, Owl, Pear, Pebble, Pine, Plum, Quail, Queen, Rain, Raven, Red, Robin, Rose, Rush, Salt, Sand, Silver, Snow, South, Spring, Star, Stone, Summer, Swan, Thistle, Thorn, Timber, Violet, Wheat, White, Wild, Willow, Wind, Winter, Wren
townend: bank, beck, borough, bridge, burn, bury, combe, cote, croft, dale, den, ditch, down, end, fell, field, ford, gate, glen, grove, hall, ham, haven, heath, hill, holm, hurst, land, ley, lock, mead, mere, moor, mouth, pool, port, ridge, shaw, shore, side, stead, stoke, thorpe, ton, vale, view, wade, water, well, wick, wood, worth
petname: Biscuit, Cookie, Snowball, Shadow, Buttons, Cinnamon, Duke, Sugar, Lucky, Noodle, Pudding, Ruffles, Star, Socks, Tiger
animal: cat, dog, horse, cow, goat, sheep, pig, hen, duck, goose, frog, fish, whale, lion, tiger, elephant, giraffe, monkey, camel, zebra, bear, wolf, fox, deer, swan, seal, penguin, owl, parrot, turtle, snake, crab, dolphin, hippo, panda, kangaroo
food: soup, bread, cheese, porridge, stew, rice, beans, pasta, pudding, pie, noodles, potatoes, pancakes, dumplings, toast, eggs, salad, corn, peas, cake, cookies, jam, honey, butter, nuts, berries, plums, pears, apples, peaches, cherries, grapes
job: baker, captain, doctor, dancer, teacher, painter, gardener, singer, farmer, sailor, pilot, cook, builder, tailor, writer, clown, fisherman, explorer, shepherd, clockmaker, librarian, juggler, beekeeper, inventor, musician, king, firefighter, zookeeper, toymaker, astronomer
trinket: buttons, shells, stamps, feathers, coins, marbles, pinecones, bells, ribbons, keys, spoons, corks, leaves, pebbles, beads, bottle caps, acorns, pencils, strings, maps
clothes: hat, scarf, cap, coat, ribbon, sweater, vest, shirt, bow, jacket, cape, belt
number: two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, twenty
softly: softly, quietly, gently, after a moment, slowly, in a low voice, calmly, simply, thoughtfully, earnestly
`;

/** Ways to say the same, applied to all sentences: where the first of a line is written, any of it is told. */
export const SYNONYMS = `
began, started
everyone, everybody
no one, nobody
someone, somebody
big, large, huge
small, little, tiny
laughed, giggled, chuckled
smiled, grinned
shouted, cried
whispered, murmured
wonderful, lovely, marvelous
beautiful, lovely, pretty
terrible, awful, dreadful
strange, odd, curious
hurried, rushed, dashed
afraid, scared
carefully, gently
at last, finally
every day, each day
every morning, each morning
every evening, each evening
looked at, gazed at, stared at
looked around, looked about
wanted to, wanted to, longed to, wished to
the next day, the following day
the next morning, the following morning
from then on, from that day on, after that
until, till
maybe, perhaps
supper, dinner
hello, hi, hi there
oh no, oh dear
did not, didn't
could not, couldn't
was not, wasn't
were not, weren't
do not, don't
will not, won't
would not, wouldn't
cannot, can't
I am, I'm
I will, I'll
it is, it's
you are, you're
that is, that's
let us, let's
`;

/** Tables of things, places and people. */
export const TABLES = `
== heroes: kid; gender; hands; names; kind
@town
girl; she; hands; girls;
girl; she; hands; girls;
boy; he; hands; boys;
boy; he; hands; boys;
@forest
rabbit; ; paws; creatures; the rabbit
fox; ; paws; creatures; the fox
bear; ; paws; creatures; the bear
mouse; ; paws; creatures; the mouse
squirrel; ; paws; creatures; the squirrel
hedgehog; ; paws; creatures; the hedgehog
badger; ; paws; creatures; the badger
mole; ; paws; creatures; the mole
otter; ; paws; creatures; the otter
beaver; ; paws; creatures; the beaver
raccoon; ; paws; creatures; the raccoon
chipmunk; ; paws; creatures; the chipmunk
porcupine; ; paws; creatures; the porcupine
skunk; ; paws; creatures; the skunk
@farm
puppy; ; paws; creatures; the puppy
kitten; ; paws; creatures; the kitten
lamb; ; hooves; creatures; the lamb
pony; ; hooves; creatures; the pony
donkey; ; hooves; creatures; the donkey
goat; ; hooves; creatures; the goat
calf; ; hooves; creatures; the calf
piglet; ; hooves; creatures; the piglet
duckling; ; wings; creatures; the duckling
gosling; ; wings; creatures; the gosling
@kingdom
princess; she; hands; girls; the princess
prince; he; hands; boys; the prince
girl; she; hands; girls; the baker's daughter
boy; he; hands; boys; the gardener's son
girl; she; hands; girls; the clockmaker's daughter
boy; he; hands; boys; the king's page
dragon; ; claws; creatures; the little dragon

== elders: text; as; gender; meet
@town
Mom; mom; she; {his} mom
Dad; dad; he; {his} dad
Mama; mama; she; {his} mama
Papa; papa; he; {his} papa
Grandma; grandma; she; {his} grandma
Grandpa; grandpa; he; {his} grandpa
Aunt May; aunt; she; {his} Aunt May
Uncle Walt; uncle; he; {his} Uncle Walt
@forest farm
Mama; mama; she; {his} mama
Papa; papa; he; {his} papa
Grandma; grandma; she; {his} grandma
Grandpa; grandpa; he; {his} grandpa
Mother; mother; she; {his} mother
Father; father; he; {his} father
@kingdom
Mother; mother; she; {his} mother
Father; father; he; {his} father
Grandmother; grandmother; she; {his} grandmother
Grandfather; grandfather; he; {his} grandfather
Aunt Matilda; aunt; she; {his} Aunt Matilda
Uncle Roland; uncle; he; {his} Uncle Roland

== sages: text; meet; gender
@town
Mr. Bell; Mr. Bell the baker; he
Mrs. Hill; Mrs. Hill the librarian; she
Miss Park; Miss Park the teacher; she
Mr. Cruz; Mr. Cruz the gardener; he
Mrs. Stone; Mrs. Stone from the corner store; she
Mr. Finch; Mr. Finch the mail carrier; he
Mrs. Reed; old Mrs. Reed from next door; she
Mr. Woods; old Mr. Woods from across the street; he
Captain Ross; Captain Ross the old sailor; he
Dr. Lake; Dr. Lake the animal doctor; she
@forest
Old Owl; wise Old Owl; he
Old Turtle; slow Old Turtle; he
Grandmother Toad; plump Grandmother Toad; she
Mother Heron; tall Mother Heron; she
Old Stag; proud Old Stag; he
Aunt Magpie; chatty Aunt Magpie; she
Mrs. Crow; clever Mrs. Crow; she
@farm
Old Horse; gentle Old Horse; he
Mrs. Hen; busy Mrs. Hen; she
Mr. Rooster; proud Mr. Rooster; he
Old Dog; sleepy Old Dog; he
Mrs. Cow; patient Mrs. Cow; she
Grandmother Goose; grumpy Grandmother Goose; she
@kingdom
the king; the king himself; he
the queen; the queen herself; she
the royal cook; the royal cook; she
the old knight; the old knight; he
the head gardener; the head gardener; he
the wise woman; the wise woman of the hills; she
the royal clockmaker; the royal clockmaker; he

== villagers: text; meet; gender
@
the tailor; an old tailor; he
the potter; a young potter; she
the ferryman; the ferryman; he
the nurse; a kind nurse; she
the toymaker; an old toymaker; he
the cheese seller; a cheese seller; she
the soldier; an old soldier; he
the weaver; a poor weaver; she
the farmer; an old farmer; he
the shepherd; a young shepherd; he
the miller; the miller; he
the old woman; an old woman; she
the old man; a little old man; he
the baker; the baker; he
the washerwoman; a washerwoman; she
the fisherman; an old fisherman; he
the shoemaker; a poor shoemaker; he
the fiddler; a traveling fiddler; he
the beekeeper; a beekeeper with a big hat; she
the carpenter; the village carpenter; he
the seamstress; a kind seamstress; she
the peddler; a tired peddler; he
the widow; a poor widow; she

== lands: text
@town
in the village of <townhead><townend>
in the little town of <townhead><townend>
on the road to <townhead><townend>
in a narrow house in <townhead><townend>
between <townhead><townend> and the sea
in old <townhead><townend>
in a busy little harbor town
on the last street before the woods
in a village with one clock and two bells
in a town where everybody knew everybody
across from the bakery
in a white house with green shutters
in a small town by the sea
in a quiet village
in a busy city
at the end of a long street
in a little town at the foot of a mountain
in a yellow house on a hill
near a wide river
on Maple Street
@forest
in the woods above <townhead><townend>
by the brook that runs down to <townhead><townend>
a short walk from <townhead><townend>
near a still pond in the woods
under the oldest trees of the forest
on the sunny side of a wooded hill
where the forest meets the meadow
in a forest full of ferns and mushrooms
deep in the whispering woods
in a deep green forest
in the heart of the woods
at the edge of a forest
in a quiet valley full of trees
beyond the blue hills
in a forest where the trees touched the clouds
@farm
on a farm near <townhead><townend>
on the road to <townhead><townend>
in the hills behind <townhead><townend>
on the last farm before <townhead><townend>
on a farm with a tall red barn
on a windy farm near the sea
on a farm with <number> apple trees
on a quiet farm at the edge of the village
on a snowy mountain farm
on a sunny farm
on a farm at the end of a dusty road
on a little farm in the hills
on a busy farm
on a green farm by the river
@kingdom
in the kingdom of <townhead><townend>
in a castle above <townhead><townend>
in the old town of <townhead><townend>
by the gates of <townhead><townend>
in a kingdom by a silver lake
in the smallest kingdom in the world
in a castle with <number> towers
in a land where dragons still flew
in the old kingdom of the hills
in a kingdom far away
in a land of tall mountains
in a castle by the sea
in a small and happy kingdom
in a kingdom full of roses
behind the walls of a gray castle

== homes: text
@town
house
little house
brick house
@forest
den
burrow
cozy home under the roots
hollow tree
@farm
barn
warm stable
little shed
@kingdom
castle
tower
cottage by the castle wall

== weathers: text; line
@
gray; [The sky was gray, but it was warm.|It looked like rain.]
mild; [The air was soft and mild.|<Birds> flew over the rooftops.]
clear; [You could see all the way to the hills.|The air was as clear as glass.]
chilly; [There was frost on the grass.|Everyone's breath made little clouds.]
hot; [The air shimmered over the road.|Even the <bugs> sat in the shade.]
fresh; [It had just stopped raining, and everything sparkled.|There was a rainbow over the hills.]
lazy; [Nothing moved but the <bugs>.|The clouds hardly moved at all.]
sunny; The sun was [warm|bright|shining] and the sky was [blue|clear].
bright; [The sky was as blue as paint.|There was not a cloud in the sky.]
windy; The wind [played with|shook|tugged at] the [leaves|grass|treetops].
warm; The air smelled of [grass|flowers|clover|honey].
cool; The air was [fresh|crisp] and [leaves rustled|birds were singing].
cloudy; [Big|Soft|White] clouds [drifted|floated|sailed] over the [hills|rooftops|trees].
misty; A [thin|soft|silver] mist [hung|lay] over the grass.
breezy; A [light|gentle|playful] breeze [blew|was blowing].
quiet; [Everything was still.|Only the <birds> were awake.]
golden; The light was [soft|golden] and the shadows were long.
spring; [The first flowers were out.|The trees were full of blossoms.|Everything was green again.]
summer; [It was hot, even in the shade.|Bees hummed in the [clover|flowers].]
autumn; The leaves had turned [red and gold|yellow|orange and brown].

== hobbies: text; to
@
playing tag; to play tag
climbing hills; to climb hills
swinging on branches; to swing on branches
watching <birds>; to watch <birds>
collecting <trinket>; to collect <trinket>
learning new words; to learn new words
skipping stones; to skip stones
running races; to run races
making wishes; to make wishes
building little dams; to build little dams
drawing in the sand; to draw in the sand
humming little tunes; to hum little tunes
looking for <bugs>; to look for <bugs>
picking <flowers>; to pick <flowers>
singing songs; to sing songs
looking at the stars; to look at the stars
watching the clouds; to watch the clouds
splashing in puddles; to splash in puddles
collecting pretty stones; to collect pretty stones
asking questions; to ask questions
listening to stories; to listen to stories
rolling down hills; to roll down hills
playing hide-and-seek; to play hide-and-seek
catching falling leaves; to catch falling leaves
making new friends; to make new friends
exploring; to explore
dancing in the rain; to dance in the rain
telling jokes; to tell jokes
jumping over things; to jump over things
finding secret places; to find secret places
making up games; to make up games
counting everything; to count everything
@town
drawing pictures; to draw pictures
building towers; to build towers
blowing bubbles; to blow bubbles
riding on swings; to ride on swings
painting; to paint
dressing up; to dress up
reading about animals; to read about animals
@forest
climbing trees; to climb trees
gathering nuts; to gather nuts
sliding on the moss; to slide on the moss
following butterflies; to follow butterflies
@farm
chasing butterflies; to chase butterflies
napping in the hay; to nap in the hay
hopping over fences; to hop over fences
munching clover; to munch clover
@kingdom
reading old books; to read old books
pretending to be a knight; to pretend to be a knight
climbing the castle stairs; to climb the castle stairs
feeding the royal ducks; to feed the royal ducks

== outdoors: text; at
@town
the park; in the park
the garden; in the garden
the beach; at the beach
the playground; at the playground
the schoolyard; in the schoolyard
the river; by the river
the hill; on the hill
the woods; in the woods
the pond; by the pond
the lake; by the lake
the field; in the field
the old bridge; by the old bridge
@forest
the meadow; in the meadow
the stream; by the stream
the old oak; under the old oak
the clearing; in the clearing
the berry bushes; by the berry bushes
the pond; by the pond
the waterfall; near the waterfall
the mossy rocks; by the mossy rocks
the pine grove; in the pine grove
the fern valley; in the fern valley
@farm
the orchard; in the orchard
the hay field; in the hay field
the duck pond; by the duck pond
the vegetable patch; in the vegetable patch
the old fence; by the old fence
the windmill; near the windmill
the pasture; in the pasture
the well; by the well
the cornfield; in the cornfield
@kingdom
the castle garden; in the castle garden
the royal orchard; in the royal orchard
the courtyard; in the courtyard
the whispering wood; in the whispering wood
the tall tower; near the tall tower
the silver lake; by the silver lake
the stone bridge; by the stone bridge
the rose maze; in the rose maze
the green hills; in the green hills

== spots: text
@
beside a stump
in the shade of a <tree>
next to a puddle
under a big leaf
in a hole in the ground
behind a <tree>
in the middle of the path
in the tall grass
under a pile of leaves
behind a big rock
between two stones
under a bush
at the foot of a tree
beside the path
@town
under a bench
behind the shed
inside the mailbox
under the porch
in the flower bed
behind the fence
under the hedge
inside a flowerpot
@forest
inside a hollow log
under a fern
between the roots of an oak
on a low branch
behind a mossy stump
beneath the brambles
next to an anthill
@farm
under the hay
behind the barn
beside the water trough
under the old cart
inside a bucket
behind the milk cans
on top of the hen house
@kingdom
under a rose bush
behind the fountain
inside an old helmet
under a stone bench
beside the well
behind a statue
in an empty bird bath

== treasures: noun; adj
@
box; made, color
cap; touch, color
vest; touch, color
candle; color, look
comb; made, color
paint box; look, color
rattle; made, color
pinwheel; color, look
mug; made, color
pouch; touch, color
string of beads; color, look
ball; color, look
bell; hard, look
basket; look, color
blanket; touch, color
scarf; touch, color
hat; touch, color, look
whistle; made, look, color
feather; color, look
stone; hard, color
shell; hard, color
ribbon; color
lantern; hard, look
cup; made, color
flute; made, look
drum; look, color
spoon; made, hard
button; color, look
bag; touch, color
key; hard, look
pillow; touch, color
@town kingdom
jewel box; made, color
toy soldier; made, color
storybook; look, color
locket; hard, look
seashell; color, look
necklace; color, look
pen; color, hard
spyglass; made, hard
toy duck; made, color
fan; color, look
kite; color, look
doll; look, color
puppet; look, color
book; look, color
umbrella; color, look
teddy bear; touch, color
toy boat; color, look
toy horse; made, look, color
music box; hard, look
marble; color, look
paintbrush; look, color
mitten; touch, color
ring; hard, look
top; made, color, look
map; look, hard
@town
truck; color, look
robot; made, color, look
balloon; color, look
scooter; color, look
camera; hard, look
yo-yo; color, look
backpack; color, look
@forest farm
acorn cup; hard, look
bluebird feather; look
pinecone; look, hard
walking stick; hard, look
clover crown; look
cowbell; hard, look

== toys: noun; adj
@
pinwheel; color, look
whistle; made, color
rattle; made, color
cart; made, color
seesaw; look, color
ball; color, look
drum; look, color
kite; color, look
top; made, color, look
swing; look, color
wagon; color, look
boat; color, look
hoop; color, look
jump rope; color, look
sled; color, look
flute; made, look
bell; hard, look
@town
scooter; color, look
train; color, look
truck; color, look
robot; made, color, look
puzzle; look, color
teddy bear; touch, color
bike; color, look
@kingdom
rocking horse; look, color
toy sword; made, look
puppet; look, color
music box; hard, look
@forest farm
acorn top; look, hard
stick horse; look, hard
straw doll; look, touch

== snacks: noun; adj
@
cherry pie; baked, size
corn cake; baked, size
biscuit; baked, size
cheese roll; baked, size
bowl of berries; fruity, size
bag of nuts; size
honey cake; baked, size
oat cookie; baked, size
apricot; fruity
cup of cherries; fruity
raisin bun; baked, size
potato pancake; baked, size
apple; fruity, size
pear; fruity, size
plum; fruity, size
peach; fruity, size
carrot; fruity, size
bun; baked, size
pie; baked, size
cake; baked, size
muffin; baked, size
pancake; baked, size
loaf of bread; baked, size
berry tart; baked, size
nut cake; baked, size
melon; fruity, size
turnip; fruity, size
@town
cookie; baked, size
sandwich; baked, size
banana; fruity, size
orange; fruity, size
waffle; baked, size
slice of pizza; baked, size
@kingdom
gingerbread man; baked, size
cherry cake; baked, size
honey roll; baked, size

== gifts: noun; adj
@
lantern; made, color
hat; touch, color
cushion; touch, color
puppet; look, color
book of poems; look, color
map of <trees>; look
spoon; made
whistle; made, color
toy boat; made, color
paper crown; color, look
bird feeder; made, color
book of songs; look, color
necklace of <flowers>; look, color
picture; nice, look
card; look, color
bunch of <flowers>; nice, color
pot of honey; size
cake; baked, size
bracelet of beads; color, look
box; made, color
pair of socks; touch, color
jar of jam; size, baked
wreath of leaves; nice, look

== tools: noun; adj
@
rope; hard, look
ladder; hard, look
hammer; hard, look
bucket; hard, color
broom; look, hard
shovel; hard, look
net; look, color
lamp; hard, look
wheelbarrow; hard, color
`;
