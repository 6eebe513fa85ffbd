// Plots of making, growing and mending (notation: script.ts and grammar.ts).

export const MAKE = `
== the seed
worlds: town forest farm kingdom
table plant: text; seed; first; grew; end
- sunflower; a little striped seed; a thin green stem; taller than {elder.name}; It turned its golden face to the sun, and all the bees came to visit
- pumpkin; a flat white seed; a pair of round leaves; so big that nobody could lift it; They made soup for everybody, and a lantern, too
- bean plant; a smooth brown bean; a curly green shoot; all the way up to the roof; There were enough beans for the whole winter
- apple tree; a tiny brown seed; one small leaf; a little taller every year; In the third year, there was one red apple, and it was the sweetest of all
- rose bush; a small dry stick; a tiny green bud; full of thorns and leaves; One morning there was a rose as red as the evening sky
- melon; a slippery black seed; a thin green vine; rounder and rounder; It was so sweet that the juice ran down their chins
- strawberry plant; a seed as small as a dot; a ring of tiny leaves; green and bushy; Under the leaves hung seven red berries
- carrot; a seed as thin as a hair; a feathery green top; deeper and deeper into the ground; They all had to pull together to get it out
- oak; a fat round acorn; a little red leaf; slowly, very slowly; Now the <birds> sit in it and the children play in its shade

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {sage} gave {hero} {plant.seed}. "What is it?" <asks hero>. "[Plant it and see|You will see, if you wait]," <says sage>.
<Oneday> {hero} found {plant.seed} on the path. {He} showed it to {elder}. "[Plant it|Put it in the ground]," <says elder>, "and [be patient|you will see something <nice>]."

{Hero} [dug|made] a little hole, put {plant.seed} in, and covered it with [soft|dark|brown] earth. Then {he} gave it some water.
So {hero} found a sunny spot, [dug a hole|made a little hole], and planted it. {He} put a <color> stick there so that nobody would step on it.

¶

The next morning, {hero} [ran out|hurried out] to look. There was nothing but dirt. "[Why does it not grow|Where is my plant]?" <asks hero>. "[Give it time|Be patient|Good things take time]," <says elder>.
{Hero} looked every [morning|day]. Nothing happened. {Friend} laughed. "You are watering [mud|a stick]!" <says friend>. But {hero} did not give up.

? {Hero} [sang to it|told it stories|read to it|talked to it] every evening. {He} gave it water when it was dry and covered it when it was cold.
Day after day, {he} brought water. {He} pulled out the weeds and chased away the hungry [snails|crows|beetles].

? A [week|long week] went by. It rained. The sun came out. It rained again. {Hero} waited.

Then, one {weather} morning, {he} saw {plant.first}. "It is alive!" <shouts hero>. <Glad>
And one [day|morning], there was {plant.first}, no bigger than a <bug>. {Hero} called everyone to come and [look|see]. <Glad>

¶

After that, the {plant} grew {plant.grew}. {plant.end}.
It grew and grew. It grew {plant.grew}. {Friend} did not laugh now. {plant.end}.

"[You see|Now you know]," <says elder>, "you cannot hurry a seed. You can only care for it."
"How did you do it?" <asks friend>. "[I waited|I took care of it every day]," <answers hero>. "[That was the hardest part|And I sang a little]."

? {Hero} gave some seeds to {friend}, and the next [spring|year], there were two.

¶

<learned> [good things take time|a little care every day can make great things grow|waiting is hard, but it is worth it].

== the salty cake
worlds: town forest farm kingdom
table dish: text; full; needs; wrong; why; taste
- cake; cake; sugar; salt; they looked just the same; like the sea
- soup; pot of soup; salt; sugar; both jars were white; like candy
- pie; pie; cinnamon; pepper; both jars were brown; as hot as fire
- bread; loaf of bread; raisins; coffee beans; both were small and dark; so bitter that every mouth turned upside down
- pancake; big pancake; milk; glue; both bottles were white; like nothing at all, because nobody could open their mouths
- pudding; bowl of pudding; honey; mustard; both pots were yellow; so strong that the spoon seemed to jump

<opening>

? <companion>

? <detail>

? <family>

It was {elder.poss} birthday, and {hero} wanted to make {dish.a}. "[I can do it by myself|I know how]," {he} [said|thought].
<Oneday> {hero} and {friend} wanted to surprise {elder} with {dish.a}. They went into the kitchen and [closed the door|tiptoed to the shelf].

? {He} put on an apron and took a big [bowl|pot]. In went the flour. In went the eggs. [Some of it even went into the bowl.|Soon there was flour on the floor, the chairs, and the ceiling.]
{Hero} [mixed|stirred] and [mixed|stirred]. There was flour on {his} nose and [egg|butter] on {his} {hero.hands}.

"Now [some|a lot of] {dish.needs}," <says hero>. {He} took a jar from the shelf. But it was not {dish.needs}. It was {dish.wrong}! {Hero} did not know, for {dish.why}.
The last thing was {dish.needs}. {Hero} took the jar and put in [one spoon, and one more, and one for luck|three big spoons]. But the jar was full of {dish.wrong}, because {dish.why}.

? {Friend} [came in|looked in]. "That [smells|looks] [funny|interesting]," <says friend>. "It is a secret [recipe|kind]," <answers hero>.

¶

When it was done, {hero} [carried|brought] it to {elder} with a [proud|big] smile. {Elder} took a bite. {Elder.poss} face turned [red|green|white], and then [pink|purple].
At last, the {dish} was on the table. It looked [wonderful|perfect]. {Elder} [tasted it|took a big bite] and [stopped|went very quiet]. {Elder.poss} [eyes watered|eyebrows went up and up].

? "[Is it good|Do you like it]?" <asks hero>. "It is [very special|very different]," <says elder>, and [drank|reached for] a big glass of water.
"How is it?" <asks hero>. "Mmm," <says elder>, and [could not say any more|drank <number> glasses of water].

{Hero} [tried|tasted] it, too. It tasted {dish.taste}! "Oh no," {he} [cried|said]. "I [ruined|spoiled] [it|everything]!" <Sorrow>
Then {hero} took a bite. It tasted {dish.taste}. <Wonder> "I used {dish.wrong}!" {he} [cried|shouted].

¶

But {elder} began to laugh. {Elder} laughed so hard that {elder.he} had to sit down, and soon {hero} was laughing, too. "[Do you know what?|Listen]," <says elder>. "[When I was small, I did the same|Let us make a new one together]."
"[Come here|Don't be sad]," <says elder>, and gave {him} a hug. "You made it for me. That is the best part."

Then they made a new {dish} together. This time, {hero} tasted everything first.
So they washed the bowl and [started again|began again]. {Hero} read every [jar|word] [twice|out loud]. The second one was <baked>, and they ate it all.

¶

<learned> [it is good to taste before you serve|everyone makes mistakes, and some of them are funny|a gift made with love is always sweet].
And to this day, when somebody wants {dish.wrong}, {elder} says, "Ask {hero}!"

== the broken toy
worlds: town forest farm kingdom
cast: place=outdoors
table toy: text; full; part; broke; fix; funny
- kite; <color> kite; tail; flew into a tree and tore; [<number> old ribbons|strips of an old shirt]; it flew higher than before
- wagon; <color> wagon; wheel; hit a stone and lost a wheel; the lid of an old pot; it rang like a bell on every stone
- boat; <color> boat; sail; lost its sail in the wind; a big <color> leaf; it smelled of summer when it sailed
- drum; <color> drum; skin; got a hole in its skin; a piece of old leather; it sounded deeper, like thunder far away
- doll; little doll; eye; lost one of its eyes; a shiny <color> button; it always seemed to wink
- sled; <color> sled; rope; lost its rope; an old braided curtain; it looked like a sled for a king
- puppet; <look> puppet; arm; broke its arm; a wooden spoon; it could stir soup
- toy horse; <made> toy horse; leg; broke its leg; a strong twig; it danced when it walked
- robot; <color> robot; head; lost its head; an upside-down cup; everyone liked it better that way

<opening>

? <companion>

? <detail>

? <family>

{His} favorite toy was {toy.a}. {He} and {friend} played with it every {time}.
{Hero} had {toy.a}. {Elder} had made it for {him}[ with {elder.his} own hands|| long ago].

<Oneday> they took it to {place}. {Hero} ran [too fast|and jumped] and did not look. The {toy} {toy.broke}!
<Oneday> {friend} asked, "May I [try|have a turn]?" "[Of course|Yes, but be careful]," <says hero>. Then [the wind blew hard|somebody slipped], and the {toy} {toy.broke}.

? <Sorrow> "It is broken [forever|for good]," <says hero>.
"I am [so |]sorry," <says friend>. <Sorrow hero> <Sorrow friend>

¶

"[Buy|Get] a new one," said a [boy|voice] [behind them|passing by]. "[That one is no good|Throw it away]." But {hero} did not want a new one.
They took it to {elder}. {Elder} [turned it over|looked at it closely]. "Hmm," <says elder>. "[I think it can be mended|It only needs a new {toy.part}]. [What can we use?|Look around you.]"

<Both> looked [in the shed|in every drawer|all over the place]. They found <junk>, and <junk>. Then {hero} [picked up|held up] something. "[What about this|Look]!" {he} said. It was {toy.fix}.
<Think> <Idea> "[We can use|What about] {toy.fix}!" {he} said. {Friend} [nodded|laughed]. "[It is worth a try|That is so silly that it might work]," <says friend>.

They worked [all {time}|until dark] with [glue and string|<mending> and a little luck|their tongues between their teeth]. {Friend} held, and {hero} [tied|fixed].
{Friend} held it [still|tight] while {hero} worked with <mending>. [It fell off twice.|Once they had to start all over.] Then it was done.

¶

The new {toy.part} looked [funny|strange], but do you know what? Now {toy.funny}.
They tried it out. It [worked|was better than new]! Now {toy.funny}.

<Glad> "[It is not like the others now|There is only one like it in the world]," <says hero>.
"I like it [more|better] [now|this way]," <says hero>. "[We made it|It has a story now]."

¶

<learned> [broken things can be mended with care and a good idea|old things can become new again|a thing you mend yourself is twice your own].

? <together>

== the rainy day
worlds: town kingdom forest
cast: toy=toys
table idea: make; from; became; met
- a ship; chairs and a <color> blanket; a ship on a stormy sea; [pirates|a whale as big as a hill|a singing mermaid]
- a castle; pillows and boxes; a castle with a high tower; [a sleepy dragon|a knight who had lost his horse|a queen who liked jokes]
- a train; <number> chairs in a row; a train that crossed the mountains; [a cow on the tracks|a tunnel full of bats|a station where everybody wore hats]
- a rocket; a big box and some string; a rocket that flew to the moon; [a man made of cheese|three green moon mice|a star that had a cold]
- a jungle; plants and <color> curtains; a deep green jungle; [a tiger who was afraid of mice|a parrot who knew every song|a very long snake in a very small hat]
- a cave; a table and an old blanket; a cave full of treasure; [a bear who wanted to sleep|a bat who told riddles|a giant who was only shy]

<opening>

? <companion>

? <detail>

? <family>

One {time}, it rained and rained. Drip, drop went the rain on the roof. {Hero} [looked out of|stood at] the window. "I am so bored," {he} [said|sighed].
It was a [gray|wet] {time}. The rain [drummed on the roof|ran down the window]. {Hero} [could not go out|had to stay inside], and {he} was <very> bored.

? "[There is nothing to do.|When will it stop?]" <asks hero>. {Friend}, who was visiting, [sighed|shrugged], too.
{He} [played with {his} {toy}|counted the drops on the window], but [that was not fun for long|it was not fun alone]. Then {friend} came, dripping wet.

? "[When I was little|Long ago]," <says elder>, "[a rainy day was the best day for an adventure|I went around the world on a rainy day]." And {elder.he} [winked|pointed to the corner].
"[Use your imagination|Close your eyes and imagine]," <says elder>. "[You can go anywhere.|Where do you want to go today?]"

¶

<Idea> {He} took {idea.from}. "[Help me|Come on]!" {he} [called|said]. "We are making {idea.make}!"
<Both> looked at each other. Then they [got|took] {idea.from}, and they made {idea.make}.

"[All aboard!|Hold on tight!|Are you ready?]" <shouts hero>. And [suddenly|like magic], it was {idea.became}.
It was not {idea.from} anymore. It was {idea.became}! [The floor shook.|The wind blew.|{Friend} held on to {friend.his} hat.]

On the way, they met {idea.met}. "[What shall we do?|Oh no!]" <whispers friend>. "[Give it a cookie|Say hello|Let us sing]," <says hero>. So they did, and after that, they were friends.
They saw [<number> islands|a golden city|a river of lemonade] and they met {idea.met}. [It was very polite.|They had tea together.|They taught each other a song.]

? Even {elder} came [along|aboard], with a [pot|spoon] for a hat.

¶

"Look!" <says friend> after a long time. The rain had stopped, and there was a rainbow. But {hero} [did not want to go out|shook {his} head]. "[Not yet|Just a little longer]," {he} said. "We [are almost there|have not found the treasure]."
"The rain has stopped," <says elder>. "[Do you want|Would you like] to go outside?" <Both> [looked at each other|laughed]. "Can we [stay|play] a little longer?" they asked.

¶

<learned> [a rainy day can be the best day|the best toy is your own imagination|you can travel far without leaving home].

? <together>

== the band
worlds: town forest farm kingdom
cast: place=outdoors
table play: text; sound; friend
- drum; boom, boom; flute
- flute; toot, toot; drum
- bell; ding, ding; fiddle
- fiddle; screech, screech; horn
- horn; honk, honk; bell
- whistle; tweet, tweet; banjo
- banjo; plink, plonk; pot
- pot; clang, clang; whistle
table role: trouble; found; did
- sang; {he} kept time with {his} foot, tap, tap, tap, without even knowing it; gave them the beat
- danced; {he} knew just when each of them should start; waved a stick to show them when
- listened; {he} could hum every tune after hearing it once; made up the words and the songs
- helped; {he} could whistle like a <bird>; whistled the highest part of all

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {friend} [had|got] a {play.friend}. "Let's make a band," <says friend>. "We can play at the [party|feast]!"
There was going to be a big party {place.at}, and {friend} wanted to [start|make] a band. {Friend} played the {play.friend}.

{Hero} wanted to play, too. {He} tried the {play}. {Play.sound}! Everybody covered their ears.
"[I want to be in the band|Can I play, too?]," <says hero>. {He} [picked up|tried] the {play}. It went {play.sound}, and [a <bird> fell off its branch|the milk turned sour|the cat ran up a tree].

? {He} practiced [for days|every day]. {Play.sound}! {Play.sound}! It did not get [any |]better. "[Maybe you could do something else|Please stop]," <says friend>.
"[Maybe|Perhaps] the {play} is not for you," <says elder>, who had cotton in {elder.his} ears.

¶

? <Sorrow> "I [can't do anything|am no good at music]," {he} [said|thought].
{Hero} put down the {play}. "[Everyone can do something but me|There is no place for me]," {he} [said|whispered]. <Sorrow>

{He} sat [down |]and [watched|listened to] the others. They played, but [it sounded like a storm in a kitchen|everyone played at a different speed]. Then {sage} looked at {hero}. "[Wait|Look]," <says sage>, for {role.found}.
The others [played|began to play], but [something was missing|it did not sound right]. {Sage} [was listening|stopped to listen]. "[That is it|There]!" <says sage>, pointing at {hero}, because {role.found}.

"[Do that again|Don't stop]!" <shouts friend>. So {hero} {role.did}. And all at once, it was [music|real music]!
"You are what we [need|were missing]," <says friend>. From then on, {hero} {role.did}, and the band sounded <nice>.

¶

On the day of the party, everybody danced. Even {elder} danced, and [a <bird> sang along|the moon came out to listen]. When it was over, they all clapped and [shouted|called], "[Again|More]!"
At the party, they played until [midnight|the stars came out]. {Elder} [danced on the table|clapped the loudest]. <Pride>

¶

<learned> [everyone has something that they do best|there is a place in the band for everyone|you may find what you are good at when you are not looking for it].

? <together>

== the snow friend
worlds: town forest farm kingdom
table nose: text
- carrot
- pinecone
- red apple
- crooked twig
- <color> spoon
table cold: who; why; gave
- <small> <bird>; could not find any seeds; the seeds from {his} pocket and the crumbs of {his} lunch
- <small> rabbit; was so hungry that its ears hung down; the nose of the snowman
- thin little deer; was looking for grass under the snow; the hay from the {home}
- <small> mouse; was shaking with cold; the scarf of the snowman
- lost lamb; was too tired to walk; {his} own scarf
- old cat; had ice on its whiskers; {his} warm mittens to sleep on

<opening>

? <companion>

? <detail>

? <family>

One winter morning, [everything was white|the whole world was white]. It had snowed all night! {Hero} [jumped out of bed|ran to the window]. "Snow!" {he} shouted.
Then winter came, and one [cold|gray] morning, the first snow fell. The flakes were as big as [feathers|buttons|coins].

{He} and {friend} [ran|hurried] outside. They [made tracks|slid down the hill|caught flakes on their tongues] and threw snowballs until their [ears were red|noses were red].
{Hero} put on {his} <color> hat and {his} <color> scarf. {Friend} was already outside. "[Let's|Let us] build a snowman!" <says friend>.

? They rolled one big ball, one middle ball, and one little ball. They gave their snowman <number> buttons, {nose.a} for a nose, and [an old|a <color>] hat.
Together, they made a snowman [as tall as {elder}|with a round tummy]. It had [acorns|stones|buttons] for eyes and {nose.a} for a nose. "[Hello, Mr. Snow|He needs a friend]," <says hero>.

¶

<Suddenly> they saw a {cold.who}. It {cold.why}.
As they were playing, a {cold.who} came out of the trees. It {cold.why}.

"[Poor thing|The winter is hard for it]," <says friend>. <Think hero>
"It [needs|must have] help," <says hero>. "[What can we do?|We have so much.]"

Then {hero} gave it {cold.gave}. {Friend} [helped|smiled]. "[The snowman will not mind|That was kind]," {friend.he} said.
So {hero} gave it {cold.gave}. It looked at {him} with [bright|shining|grateful] eyes.

¶

? In the evening, they sat by the fire and drank [hot milk|hot cocoa|warm soup]. "[Winter is beautiful|I love winter]," <says hero>, "but [it is not the same for everyone|a warm home is better]."
When it got dark, {elder} called them in. There was [hot soup|hot cocoa] and <baked> bread. Outside, the snowman [stood in the moonlight|watched over the garden].

In spring, the snowman melted. Only the {nose} and the hat were left. "[Goodbye|See you next year]," <says hero>.
[A week|Some days] later, the sun came out and the snowman grew smaller and smaller. But every morning, the {cold.who} came to visit.

¶

<learned> [it is good to share when others are cold and hungry|the best warmth comes from a kind heart|even a cold day can be full of warm things].
<ending>
`;
