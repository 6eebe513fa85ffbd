// Plots of wonder: magic, riddles, talking things (notation: script.ts and grammar.ts).

export const WONDER = `
== the magic thing
worlds: town forest farm kingdom
cast: place=outdoors spot=spots
table magic: text; full; act; once; more; bad; undo
- paintbrush; <look> paintbrush; painted; painted an apple, and it rolled off the paper, red and round; painted cakes, and toys, and a pony; the pony ate the cakes and kicked the toys to pieces; painted a door, and everything walked out through it
- whistle; <made> whistle; blew; blew it once, and a <bird> brought {him} a cherry; blew it again and again; a hundred <birds> filled the room, and feathers were everywhere; blew it backward, and the birds flew home
- hat; <color> hat; wore; put it on, and {he} floated up to the ceiling; floated over the roofs; the wind took {him}, higher and higher; took the hat off, bit by bit, and sank slowly down into a haystack
- pot; <look> pot; asked; asked for soup, and the pot was full of soup; asked for soup for everyone; the pot did not stop, and soup ran down the stairs and into the street; said please stop and thank you, and the pot stopped
- lamp; <look> lamp; rubbed; rubbed it, and it gave {him} a golden coin; rubbed it all day; the coins grew so heavy that the floor began to crack; gave the coins away, one by one, until the floor was safe
- seed; <color> seed; planted; planted it, and in one minute there was a flower; planted it again and again; the flowers grew through the windows and around the beds; asked the bees to come, and they carried the flowers away
- bell; <look> bell; rang; rang it, and the rain stopped at once; rang it every time a cloud came; the flowers hung their heads and the river ran dry; hung the bell on a high tree for the wind to ring, and the rain came back
- broom; <look> broom; asked; asked it to sweep, and it swept the floor; asked it to wash the dishes and make the beds, too; it swept up the hats, the shoes, and the cat; opened the door, and the broom swept itself away over the hills

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {hero} found {magic.a} {spot}. It [shone|glowed] a little, as if it were warm inside.
<Oneday> {he} helped [an old woman|a little old man|a stranger] carry a heavy bag. "[You are kind|Thank you]," said the stranger. "Take this {magic}. But [be careful what you wish for|do not use it too much]."
<Outing> {hero} <went> to {place}. {Spot}, something was [shining|glowing]. It was {magic.a}.

{Hero} took it home. {He} {magic.once}. <Wonder>
"[What a funny|It is only an old] {magic}," <says hero>. But then {he} {magic.once}. <Wonder> It was magic!

¶

"I can have anything now!" <says hero>. {He} {magic.more}. [{Friend} came to see it.|It was so much fun.|{He} did not want to stop.]
"Be careful," <says friend>. But {hero} did not [listen|hear {friend.him}]. {He} {magic.more}.
At first, it was [wonderful|great fun]. {He} {magic.more}. "[Is that not enough?|Maybe you should stop]," <says friend>. "[Just|Only] one more time," <answers hero>.

But then {magic.bad}. "Stop!" <shouts hero>. "[Oh please, stop|That is too much]!"
And then {magic.bad}. <Fear> "[What have I done?|Help!]" {he} [cried|shouted].

¶

{Hero} <ran> to {friend}. "[I should have listened to you|Please help me]," {he} said. <Think friend> {Friend} whispered something in {his} ear.
<Think> "[It was enough the first time|I wanted too much]," {he} [whispered|said]. Then {he} knew what to do.
"[Think|Think, {hero}]," <says friend>. "[What would be kind|How can we make it right]?" <Idea hero>

{Hero} [nodded|took a deep breath]. {He} {magic.undo}.
So {he} {magic.undo}. [Everything was quiet again.|It was over.|What a relief it was!]

After that, {hero} [gave the {magic} to {sage}, who kept it in a safe place|put the {magic} back where {he} had found it|hid the {magic} in a deep hole and planted a <flower> on it].
The {magic} did not [shine|glow] anymore. {Hero} put it on the shelf, where it [was only|looked like] an old {magic}.

¶

<learned> [enough is better than too much|it is wise to listen to a friend|you should be happy with what you have].

== the little thing that dreamed
worlds: town
table it: text; where; could; dream; others; chance; did; after
- cloud; high in the sky; make only a few drops of rain; be a thunderstorm; the big gray clouds; a field of <flowers> was dying of thirst; let its soft drops fall, one by one, just right for a flower; the flowers opened and waved
- star; at the edge of the sky; shine only a little; shine like the moon; the bright stars; a sailor was lost in the dark and clouds hid all the other stars; shone with all its might through a tiny hole in the clouds; the sailor found the way home
- train; in an old train station; pull only one wagon; cross the mountains; the big engines; the snow was deep and the big engines were too heavy for the old bridge; carried the doctor over the bridge, puff, puff, puff; a sick child was well again
- boat; in a busy harbor; carry only two people; sail across the sea; the great ships; a boy was stuck on a rock where the water was too shallow for ships; slipped between the rocks and brought the boy back; all the ships blew their horns
- candle; in a dusty drawer; give only a small light; be a lighthouse; the tall lamps; a storm came and all the lamps went out; burned all night on the kitchen table; the whole family sat around its light and told stories
- teapot; at the back of a shelf; hold only two cups; be used by a queen; the golden cups; an old woman came in from the cold, alone; kept her tea warm and sang its little song; the old woman smiled for the first time in days
- clock; on a kitchen wall; tick very softly; ring like the church bell; the big clocks; a baby could not sleep and everything else was too loud; ticked softly, tick, tick, tick; the baby fell asleep
- lantern; on a hook by a door; light only one step at a time; light up the city; the street lamps; somebody had to go through the dark woods at night; lit one step, and then the next, and then the next; two cold travelers came home safely
- raindrop; on the tip of a leaf; hold only one tiny bit of light; be a river; the great rivers; a thirsty {bug} was too small to drink from the river; rolled down the leaf and waited; the {bug} drank and was saved
- kite; in the window of a shop; fly only on a long string; fly free like a bird; the <birds>; a girl was too sad to look up; danced and dipped until she lifted her head; she laughed out loud
- broom; in the corner of a kitchen; sweep only one floor; fly over the roofs; the proud chairs; the cake fell to the floor just before the party; swept and swept until the floor was shining; the party could begin

Once upon a time, there was a little {it} {it.where}. The little {it} could {it.could}.
There was once a little {it} that lived {it.where}. It could {it.could}, and that made it [sad|feel very small].
{It.where}, there was a {it}. It was [smaller than the others|not big and not fancy], and it could {it.could}.

"[I wish I could|If only I could] {it.dream}," [sighed|said] the little {it} every [night|day].
It had a dream. It wanted to {it.dream}. [It dreamed of it every night.|It never told anyone.]

{It.others} laughed. "You?" they said. "[You are much too small|You will never {it.dream}|Look at yourself]!"
But {it.others} [only laughed|made fun of it]. "[You are good for nothing|Nobody needs a little {it}]," they said.

The little {it} [was so sad|felt so small] that it [wanted to hide|hoped nobody would look at it].
"[Maybe|Perhaps] they are right," [whispered|thought] the little {it}.

¶

Then one [{weather} day|stormy night|day], something happened. {It.chance}.
But one day, [everything changed|there was trouble]. {It.chance}. {It.others} [could not help|did not know what to do].

"[Help!|Can nobody help?]" somebody cried. "[I am little|I am only small]," said the {it}, "but I can try."
"[I will do it|Let me try]," said a small voice. Everyone [turned around|looked]. It was the little {it}.
The little {it} [shook with fear|was afraid]. But it [thought|told itself], "[If I don't help, who will|A little is more than nothing]."

It {it.did}. And {it.after}.
So the little {it} {it.did}. [It was hard.|It took a long time.] It did not give up. And [then|in the end], {it.after}!

¶

"[Thank you|You saved us], little {it}," they said. Nobody laughed [now|anymore].
{It.others} were [very quiet|ashamed]. "[We were wrong|We could not have done that]," they said.

The little {it} [glowed with joy|was happy]. It did not want to {it.dream} anymore. It [was glad to be|wanted to be] just what it was.
"[I may be small|I cannot {it.dream}]," said the little {it}, "but [I am just what somebody needed|I can do what I can do]." And it [smiled|was happy].

And if you ever see a little {it}, [be kind to it|say hello]. You never know [what it can do|what it dreams of].
And so everyone learned that [little things can do great good|you do not have to be big to be important|everybody is needed somewhere].

== the treasure map
worlds: town forest farm kingdom
cast: spot=spots
table map: found; drawn
- in an old book; by a shaky hand
- inside a bottle; with blue ink
- behind a picture; on yellow paper
- in the attic; with many little arrows
- in a hollow tree; on a piece of bark
- under a loose board; with a big red cross
- in the pocket of an old coat; on the back of a letter
table clue: first; then
- Ten steps from the crooked <tree>; Turn where the <birds> sing
- Go to the stone that looks like a [bear|hat|loaf of bread]; Follow the sound of the water
- Start where the shadow of the <tree> ends; Walk toward the evening sun
- Count <number> fence posts; Look for the <color> <flowers>
- Cross the little bridge; Stop at the tree with two trunks
table chest: what; note; did
- old letters tied with a ribbon; To whoever finds this: write to somebody you love; wrote a letter to {elder.name} that very night
- a bag of seeds; To whoever finds this: plant them and share the fruit; planted the seeds together, and in summer everyone had some
- a pile of old books; To whoever finds this: read one, and put one in; read one under the <tree> and put one of their own into the chest
- two <made> cups; To whoever finds this: drink with a friend; filled the cups with cool water and drank to each other
- a small mirror; Look here to see the treasure; looked into it, and saw two friends smiling
- a ball of <color> yarn; To whoever finds this: tie two friends together; made two bracelets, one for each of them
- old toys, <number> of them; To whoever finds this: play; played with every one of them, and added one for the next finder
- a little bell; Ring it when you are happy; rang it so loudly that everyone came to see

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {hero} found a map {map.found}. It was drawn {map.drawn}. <Wonder>
<Oneday> {hero} and {friend} were playing when they found something {map.found}. It was an old map, drawn {map.drawn}.

"[It is|It must be] a treasure map!" <shouts hero>. {He} <ran> to show it to {friend}. "[Let's|Let us] find it!" <cheers friend>.
"A treasure!" <whispers friend>. "[Gold|Rubies], maybe." "Or a [crown|sword]," <whispers hero>.

They packed [bread and cheese|some apples|a rope and a sandwich] and [set off|went on their way]. "{clue.first}," {hero} read. They [did|looked for it], and there it was.
"{clue.first}," said the map. <Both> [did just that|looked and looked] until they found it.

¶

"{clue.then}," {friend} read. [They had to climb over a fallen tree.|They got mud up to their knees.|They had to crawl under the thorns.]
Next, the map said, "{clue.then}." [They got lost twice.|It began to rain.|A <bird> followed them all the way.]

? {Hero} was <tired>. "[My feet hurt|Let us go home]," {he} said. "[Just a little farther|We are nearly there]," <says friend>, and took {his} hand.
"What if there is nothing?" <asks friend>. "[Then we had a good walk|Then we found out]," <answers hero>. And on they went.

At last, {spot}, they found [a cross of stones|the place]. They dug and dug. Clunk! There was an old chest.
And there, {spot}, was an old chest, covered with [moss|dirt|dry leaves]. The lid [creaked|squeaked] as they opened it.

¶

There was no gold in it. They found only {chest.what}, and a note. "{chest.note}," it said.
Inside, they found {chest.what}. {Friend} [looked for|had hoped for] gold. But {hero} found a note. "{chest.note}."

<Both> [looked at each other|were quiet]. Then they [smiled|laughed]. They {chest.did}.
At first, they were [a little |]disappointed. But then {hero} began to [smile|laugh]. They {chest.did}.

¶

<learned> [the best treasure is a friend to look for it with|not all treasure is made of gold|the way there can be the best part].

? <together>

== the friendly giant
worlds: kingdom town forest farm
table big: text; where; sound; secret; wish
- dragon; in the cave on the mountain; roared so loudly that the windows shook; I have a terrible toothache; somebody to look at its tooth
- giant; behind the hill; stamped so hard that the cups jumped; I have a thorn in my toe; somebody with small fingers
- bear; in the dark part of the woods; growled all night; I am so lonely that I cannot sleep; somebody to sing it a song
- wolf; beyond the river; howled at the moon; I do not know how to make friends; somebody to howl with
- troll; under the bridge; shouted at everyone who crossed; I lost my reading glasses; somebody to read it a story
- sea monster; at the bottom of the lake; splashed and groaned; I am stuck in an old net; somebody to cut the ropes
- ogre; in the old tower; slammed the doors all day; Nobody ever asked me to a party; a piece of birthday cake

<opening>

? <companion>

? <detail>

? <family>

Everyone was afraid of the {big} that lived {big.where}. It {big.sound}.
[Far away|Not far away], {big.where}, there lived a {big}. It {big.sound}, and everybody was afraid of it.

"[Never go there|Stay away from it]," said {elder}. "[It will eat you up|It is wild and mean]," said {friend}. But {hero} [wondered|was not so sure].
"It must be [very mean|a bad one]," <says friend>. "[Has anyone ever talked|Did anyone ever talk] to it?" <asks hero>. {Friend} [shook {friend.his} head|did not know].

? One night, the noise was louder than ever. "[It sounds sad|That does not sound angry]," {hero} thought. "[It sounds as if it hurts|It sounds like crying]."
<Oneday> {hero} could not stand it any longer. "I will go and ask what is wrong," <says hero>. "You are [so brave|crazy]!" <says friend>.

¶

{Hero} walked and walked until {he} [came to the place|was there]. <Fear> There it was. It was as big as a [house|barn|hill]!
So {hero} went, with [a lamp|a piece of bread in {his} hand|{his} heart beating fast]. The {big} [looked down|turned its big head]. "[Who is there|What do you want]?" it [growled|boomed].

"[Hello|Good evening]," <says hero>, in a voice as small as a <bug>. "I [came to ask|want to know] why you are [so loud|so sad]."
"[I am|My name is] {hero}," {he} said. "[Are you angry|What is wrong]? [Can I help you?|Maybe I can help]."

The {big} [was very surprised|blinked]. Nobody had ever asked [it that|before]. "{Big.secret}," it [whispered|said].
A big tear rolled down, as big as a [bucket|pumpkin]. "{Big.secret}," it [sobbed|said].

"[Can|Will] you help me?" it asked. All it needed was {big.wish}. "[I can do that|That is easy]," <says hero>. And {he} did.
All it needed was {big.wish}. "[Is that all?|I can help you with that]," <says hero>, and {he} helped.

¶

When {hero} came [back|home], everyone [was waiting|stared]. Behind {him} came the {big}, [smiling shyly|walking on tiptoe]. "[This is my friend|Don't be afraid]," <says hero>.
The next morning, it was [quiet|very quiet]. "Is it gone?" <asks friend>. "No," <answers hero>. "[It is happy|It is my friend now]."

? Soon, the [children|little ones] [rode on its back|played hide-and-seek with it], and it was the happiest {big} in the world.
At the next [feast|party], the {big} sat at the end of the table. It took <number> chairs and ate <number> cakes.

¶

<learned> [what is loud is not always mean|somebody who seems mean may only be sad|it is always good to ask what is wrong].

== the moon's visit
worlds: town farm forest kingdom
cast: place=outdoors
table guest: text; lost; do; home; gift
- star; my way; shine; stood on a high hill and threw it up, once, twice, three times, until it stuck to the sky; one star that twinkles a little more than the others
- moonbeam; my brothers and sisters; dance; opened the window wide, and it slid up into the night; a silver spot on the floor every evening
- snowflake; the cold; stay white; carried it up the mountain where the snow never melts; a snowflake on {his} window, even in spring
- cloud; the wind; float; blew and blew until it rose over the roofs; a cloud in the shape of a heart
- dream; the sleeper I belong to; make pictures; followed it from window to window until it slipped in beside a sleeping baby; a good dream, as soft as a pillow
- firefly; my light; glow; took it to the field where a thousand fireflies were dancing; a tiny light outside the window
- song; the singer I belong to; be heard; hummed it at every door until {sage.name} sang along; a tune that {he} never forgot

<opening>

? <companion>

? <detail>

? <family>

One [clear|quiet|warm] night, {hero} was already in bed when there was a [soft knock|tapping] at the window. {He} looked out. There was a little {guest}.
One night, {hero} [woke up|could not sleep]. Something was [shining|glowing] {place.at}. {He} tiptoed outside. There, in the grass, lay a little {guest}.

"[Who are you|What are you doing here]?" <asks hero>. "[I fell down|I am lost]," said the {guest} in a voice like a [tiny bell|drop of water]. "I [lost|have lost] {guest.lost}."
"Please help me," said the {guest}. "I lost {guest.lost}, and if I do not get home by morning, I cannot {guest.do} anymore."

<Wonder> "[I will help you|Don't be afraid]," {he} [said|whispered].
{Hero} [had never talked to|had never seen] a {guest} before. But it was <small> and alone, and {he} knew [how that feels|what to do].

¶

{He} put it [in {his} hat|in a cup|under {his} coat] and went out into the night. {Friend} [woke up|saw the light], and came along.
{Hero} [carried|held] it [gently|carefully] in {his} {hero.hands}. It weighed no more than a [feather|breath].

They asked the owl. "[Who|Who, who]," said the owl. They asked the <tree>. It only rustled. They asked the river. "[On, on|Go on]," said the river.
{He} asked a <bird>, but it was asleep. {He} asked a toad, but it only [blinked.|said, "Ribbit."]

<Idea> {He} {guest.home}.
"I [know|think I know] what to do," <says hero>. {He} {guest.home}.

¶

"Thank you, {hero}," called the {guest}. "[I will not forget you|Look out of your window tomorrow]!" Then [it was gone|the night was still].
"[Goodbye|Good night]," it whispered, and it was [home|gone]. {Hero} [waved|stood there] for a long time.

In the morning, {hero} told {elder} [all about it|everything]. "[What a lovely dream.|Did you dream that?]" <says elder>. But {hero} [knew better|only smiled].
"Why are your feet [wet|muddy]?" <asks elder> in the morning. {Hero} [smiled|told {elder.him} the whole story]. {Elder} [listened|did not laugh].

And from that night on, whenever {hero} felt alone, there was {guest.gift}.
And do you know what came the next night? There was {guest.gift}.
`;
