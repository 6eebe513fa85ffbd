// Plots of losing and finding (notation: script.ts and grammar.ts).

export const LOST = `
== the lost treasure
cast: thing=treasures place=outdoors spot=spots spot2=spots

<opening>

? <companion>

? <detail>

? <family>

{He} had {thing.a} that {he} [took everywhere|carried everywhere|never left at home].
Of all {his} things, {hero} loved {his} {thing.full} best. It was a gift from {his} {elder.as}.
{Elder} had given {him} {thing.a}, and {hero} [kept it close|loved it|would not go anywhere without it].

¶

<oneday> {hero} <went> to {place} with the {thing}. {He} played [there |]for hours. But when it was time to go home, the {thing} was gone!
<oneday> {hero} played {place.at}. {He} put the {thing} down for just a moment. When {he} looked again, it was [gone|not there]!
<oneday> {hero} was [playing|running about|hopping around] {place.at} when {he} noticed something [terrible|awful]. The {thing.full} was gone!

? <sorrow>

"Where is my {thing}?" <shouts hero>.
"Oh no! My {thing}!" <shouts hero>. "I [must|have to] find it!"
"I had it [a minute ago|this morning]," <whispers hero>. "[Where can it be|Where could it be]?"

? {He} looked {spot2}, but {he} found [only|nothing but] <junk>. {He} looked [up and down|left and right|here and there], but there was no {thing}.
First {he} looked {spot2}. There was <junk>, but no {thing}. Then {he} looked [everywhere else|in all the other places].
{He} [searched and searched|searched high and low|looked everywhere]. {Spot2}, {he} found <junk>, but that was [all|not what {he} was looking for].

¶

{Friend} [saw {him}|came by|heard {him} crying]. "What [is wrong|are you looking for|is the matter]?" <asks friend>.
<Soon> {he} met {friend}. "You look <sad>," <says friend>. "What happened?"
<Suddenly> {friend} came [along|running|down the path]. "Why are you so [sad|quiet|gloomy]?" <asks friend>.

"I lost my {thing.full}," <answers hero>. <offer friend>
"My {thing} is gone," <answers hero>. "I [looked|have looked] everywhere." <offer friend>
{Hero} told {friend.him} [about|all about] the {thing}. <comfort friend>

{Hero} tried to remember. "I [stopped|sat down] to look at a <bug>," {he} said. So they went back [there|to that place], step by step.
So <both> [walked|went] back the same way {hero} had come, slowly, looking [down at the ground|at every stone|very carefully].
One looked on the left, and the other looked on the right. They [looked|searched] again, and this time they [looked|searched] [more carefully|twice as hard].

¶

And there, {spot}, was the {thing}! [The wind had blown it there.|A <bird> had carried it there.|It had rolled there all by itself.|A <small> <bug> was sitting on it.|It was a little dirty, but that did not matter.]
<Suddenly> {friend} [shouted|called], "[Here it is|I see it|Come here]!" The {thing.full} was {spot}! [A <bug> was taking a nap on it.|It was not even [wet|dirty].|It had been there all along.]
Something was [peeking out|sticking out] {spot}. It was the {thing}! <Both> [cheered|laughed|jumped up and down].

<glad hero> <thank hero>
<thank hero> <welcome friend>
{Hero} [hugged|held] the {thing} [tight|tightly], and then {he} hugged {friend}, too. <welcome friend>

¶

<learned> [a lost thing is easier to find with a friend|two pairs of eyes are better than one|it is good to ask for help|friends are the best treasure of all].
From then on, {hero} [always put the {thing} in a safe place|took better care of {his} {thing}|kept the {thing} where {he} could see it].
"A {thing} is a <nice> thing to have," {hero} [said|told {elder}] that night, "but a good friend is [even better|better still]."

? <together>

== the wrong path
cast: place=outdoors
worlds: town forest farm kingdom
table lure: what; did; lost
- a <color> butterfly; fluttered; flew over the treetops
- a fat <bug>; hopped and hopped; slipped into a crack
- a <small> <bird>; flew from branch to branch; flew away
- a <color> leaf; danced in the wind; landed in the water
- a trail of shiny stones; went on and on; came to an end
- a little white rabbit; ran this way and that; jumped into its hole
table clue: sense; what; where
- heard; the sound of a bell; the bell at the {home}
- smelled; fresh bread; {his} own {home}, where supper was waiting
- saw; a thin line of smoke; the chimney of {his} own {home}
- heard; the sound of running water; the stream close to the {home}
- saw; a tiny yellow light; the lamp in {his} own window
- heard; somebody singing; {elder.name}, who was singing at the door

<opening>

? <companion>

? <detail>

? <family>

<oneday> {hero} <went> to {place}. "[Stay on the path|Do not go too far|Come home before dark]," <says elder>.
<oneday> {elder} [let {hero} go|said {hero} could go] to {place} alone. "[Stay on the path|Remember the way home]," <says elder>. "I will," <answers hero>.

¶

{Place.at}, {he} saw {lure.what}. It {lure.did}. {Hero} [followed it|ran after it|could not help but follow it], [farther and farther|deeper and deeper|on and on]. Then it {lure.lost}.
On the way, {hero} saw {lure.what}. "[How <nice>|Wait for me|Oh, how pretty]!" <shouts hero>. {He} [followed it|ran after it], and it {lure.did}. At last, it {lure.lost}.

{He} looked around. Nothing looked [the same|like home]. {He} was lost!
When {hero} turned around, the path was gone. {He} did not know [where {he} was|the way home].
Now {hero} was all alone, and every <tree> looked the same.

? <fear> [The wind made strange noises.|The shadows grew long.|It was getting dark.|A <bird> called in the distance.]

¶

"I [must|should] not cry," {he} told {himself}. "I must think." {He} [sat down on a stone|took a deep breath] and [listened|looked around].
{He} [wanted to cry|wanted to run], but then {he} remembered what {elder} [always|often] said: "When you are lost, stop and [think|look and listen]." So {hero} [stopped|stood still].
<Suddenly> {hero} [heard|saw] a <small> {bird} in a <tree>. "Can you [help me|show me the way home]?" <asks hero>. The {bird} only [tilted its head|hopped and sang], as if to say, "[Listen|Look around]!"

Then {he} {clue.sense} {clue.what}. "I know [that|what that is]!" <shouts hero>.
[<Suddenly>|Then] {he} {clue.sense} something. It was {clue.what}! {He} [got up|jumped up] at once.

{Hero} [walked|went] toward it, [slowly at first|one step at a time|past the <tree> and over the hill], and then faster and faster. It was {clue.where}!
Step by step, {hero} followed it. It was {clue.where}. {He} [was|had come] home!

¶

"Where have you been?" <asks elder>. "I was [so worried|looking for you]!"
{Elder} ran to meet {him} and held {him} [tight|close]. "I was so [worried|afraid]," <says elder>.

"I am sorry," <answers hero>. "I [left the path|went too far]. I [will not|won't] do it again."
"I followed {lure.what}," <answers hero>. "Next time, I will [stay on the path|look back at the way I came]."

[They had warm soup for supper.|There was hot soup and <baked> bread.|Then they sat by the fire and {hero} told {elder.him} everything.]

<learned> [when you are lost, it helps to stay calm and think|the path is there for a reason|home is the <nice>st place of all].
<ending>

== the baby and its mother
worlds: town forest farm kingdom
cast: place=outdoors spot=spots
table baby: text; mother; cry; wants; clue
- duckling; duck; peep, peep; to swim; webbed feet, so it must like the water
- kitten; cat; mew, mew; milk; soft paws, so it must like a warm place
- fawn; deer; maa, maa; fresh leaves; long legs and white spots, like the deer by the woods
- chick; hen; cheep, cheep; seeds; yellow feathers, so there must be a nest nearby
- baby squirrel; mother squirrel; chit, chit; nuts; a bushy tail, so it must live in a tree
- baby hedgehog; mother hedgehog; sniff, sniff; worms; soft little spines, so it must live under the leaves
- baby owl; mother owl; hoo, hoo; the night; big round eyes, so it must live high in a tree
- baby turtle; mother turtle; blub, blub; the water; a little shell, so it must come from the pond
- baby mouse; mother mouse; squeak, squeak; cheese; a long tail, so it must live in a hole

<opening>

? <companion>

? <detail>

? <family>

<oneday> {hero} was walking {place.at} with {friend}. {Spot}, they found a <small> {baby}. It was all alone.
<oneday> {hero} heard a sound {spot}. It was a <small> {baby}, and it was shaking.
<oneday> {hero} <went> to {place}. <sky> There, {spot}, sat a <small> {baby}.

"Are you lost, little one?" <asks hero>. The {baby} [looked up|blinked]. All it said was, "{Baby.cry}."
"{Baby.cry}," it said. "It [wants|is looking for] its mother," <says hero>.

¶

"I will [help you|find your mother]," {hero} said. {He} [called|asked] {friend}, and {friend} came to help.
{Friend} came to [look|see]. "[The poor thing|Poor little {baby}]," <says friend>. "Where [is its mother|can its mother be]?"

? They asked a {bird}. "No, I have not seen any {baby.mother}," said the {bird}. They asked a {bug}. "I am too busy," said the {bug}, and hurried [on|away].
First they looked {place.at}. Then they looked [behind the hill|along the path|by the fence]. There was no {baby.mother} [anywhere|to be seen].
They walked and walked. They met [<number> <birds>|a [sleepy|grumpy] <bug>|a friendly <bird>], but no {baby.mother}.

¶

<think friend> "Look," <says friend>. "It has {baby.clue}."
"Wait," <says hero>. "It has {baby.clue}. Let us [look|go] there!"

So they [carried|took] the {baby} there, [slowly and gently|as carefully as an egg|in a hat full of grass]. <Soon> they [saw|heard] something move.
They [went|walked] there, and {hero} [held|carried] the {baby} [close|gently] all the way.

It was a [happy|worried] {baby.mother}, and she [came running|called out] as soon as she saw them. The {baby} [ran|hurried] to her, and she [tucked it under her chin|held it close|would not let it go].
There was the {baby.mother}! She had been looking for her little one [all day|since sunrise|everywhere]. The {baby} [hurried|ran] to her side.

<glad hero> "[We did it|They are together again]," <whispers friend>.
<Both> [watched|waved] until [the two of them|mother and baby] were out of sight. <glad friend>

¶

? That evening, {hero} [gave|hugged] {elder} [a big hug|tightly]. "What is that for?" <asks elder>. "For [always being here|being my {elder.as}]," <answers hero>.
When {hero} came home, {elder} was [waiting|at the door]. {Hero} [ran|hurried] into {elder.his} arms. "I [found my way home|am glad I have you]," {he} said.
<learned> [every little one needs somebody to come home to|a small kindness can mend a big sorrow|even a clever {hero.kid} needs a good friend].

? <ending>

== the strange noise
worlds: town forest farm kingdom
table noise: sound; guess; truth; why
- tap, tap, tap; monster with long claws; a branch; the wind was tapping it on the window
- scratch, scratch; wolf at the door; a little gray mouse; it was looking for crumbs
- whoo, whoo; ghost in the chimney; the wind; there was a hole in the roof no bigger than a coin
- drip, drop, drip; sea monster; an old bucket; the rain was falling into it
- thump, thump; giant with heavy boots; a fat toad; it was jumping down the steps
- squeak, squeak; cloud of bats; the garden gate; nobody had oiled it for years
- rustle, rustle; bear; a hedgehog; it was making a bed of leaves
- bang, bang; robber; the shutter; somebody had forgotten to close it
- snore, snore; dragon; {friend.name}; {friend.he} had fallen asleep on the steps

<opening>

? <companion>

? <detail>

? <family>

One [dark|windy|quiet|stormy|black] night, {hero} woke up. {Noise.sound}! Something was making a [strange|funny] noise.
One [dark|windy|cold|stormy] night, {hero} could not sleep. "{Noise.sound}!" went something [outside|in the dark].
It was [late|almost midnight] when {hero} heard it. {Noise.sound}! {He} sat up in bed.

"What is that?" <whispers hero>. {He} [pulled the blanket up to {his} nose|hid under the blanket|held {his} breath]. <fear>
<fear> "It must be a {noise.guess}," {he} thought.

? {Noise.sound}! There it was again. "A {noise.guess}!" {hero} thought. "It has come [to eat me|to get me|for my supper]!"
{Noise.sound}! {Hero} thought of a {noise.guess}. {He} thought of it so hard that {he} could almost see it.

¶

{He} tiptoed to {elder}. "There is a {noise.guess} [outside|out there]," {he} [said|whispered]. {Elder} did not laugh. "Shall we go and [see|look]?" <asks elder>.
"{elder.name}!" <shouts hero>. {Elder} came [with a lamp|at once]. "Let us [see|find out] what it [is|can be]," <says elder>.
{Hero} wanted to stay in bed, but {he} [also |]wanted to know. "I am [brave|not afraid]," {he} told {himself}, and {he} took {his} lamp. {Elder} [came|went] with {him}.

[Step by step|Slowly|Hand in hand], they went to the door. {Noise.sound}! {Hero} held the lamp up high with a shaking arm.
They [opened|pushed] the door a little, and then a little more. {Noise.sound}! The light of the lamp fell on something.

¶

[It was not a {noise.guess} at all.|And what was it?] It was only {noise.truth}! {Noise.why}.
There was no {noise.guess}. There was only {noise.truth}. {Noise.why}.

{Hero} [began to laugh|laughed and laughed|laughed until {his} tummy hurt]. "I was [afraid of|so scared of] {noise.truth}!" {he} said.
"Is that all?" <asks hero>. <glad hero> "I thought it was a {noise.guess}!"

"Things [look|seem] bigger in the dark," <says elder>. "[A little light|A good look] makes them small again."
"Now you know," <says elder>. "[Next time|When you are afraid], [go and look|turn on a light]."

¶

{Hero} went back to bed. {Noise.sound}, went the noise, but now it sounded [like a lullaby|friendly|almost like a song]. Soon {he} was fast asleep.
After that, {hero} [was not afraid of noises anymore|slept well every night]. And when {friend} was afraid [one night|of a noise], {hero} took {friend.his} hand and said, "Come on. Let us go and look."
<learned> [most monsters are only noises|it is better to look than to wonder|a lamp and a little courage can chase away any monster].

== the thing that was not lost
worlds: town forest farm kingdom
cast: spot=spots
table thing: text; full; where; told
- hat; <color> hat; on top of {his} own head; You are wearing it on your head
- hat; <look> hat; on top of {his} own head; It is sitting on your head
- scarf; <color> scarf; around {his} own neck; It is around your neck
- whistle; <made> whistle; on a string around {his} own neck; It is hanging around your neck
- pencil; <color> pencil; behind {his} own ear; It is behind your ear
- bag; <touch> bag; on {his} own back; You are carrying it on your back
- crown of <flowers>; <nice> crown of <flowers>; on {his} own head; You are wearing it
- blanket; <touch> blanket; over {his} own shoulders; You are wrapped up in it
- feather; <color> feather; behind {his} own ear; You put it behind your ear

<opening>

? <companion>

? <detail>

? <family>

One morning, {hero} [could not find|was looking for] {his} {thing.full}. "[Where is it|Somebody must have taken it]!" <shouts hero>.
"My {thing} is gone!" {hero} shouted one {weather} morning. "[A thief was here|Somebody took it]!"

? {He} looked {spot}. There was <junk>. {He} looked under the bed. There was <junk>. {He} looked in the [soup pot|teapot]. There was [soup|tea].
{He} turned the [whole |]{home} upside down. Out came <junk>. Out came <junk>. But no {thing} came out.

¶

{Friend} came [by|in]. "Did you take my {thing}?" <asks hero>. "No," <answers friend>. {Friend.he} was <surprised>.
{He} <ran> to {friend}. "You took my {thing}!" {hero} [cried|shouted]. "I [did not|never did]," <says friend>. {Friend.he} looked hurt.

? {He} asked {elder}. "I have not touched it," <says elder>. {He} asked {sage}. "What would I do with a {thing}?" <asks sage>.

Then {friend} looked at {hero} and [began to smile|started to giggle|tilted {friend.his} head]. "{hero}!" {friend.he} said. "{thing.told}!"
<Suddenly> {friend} [laughed|giggled]. "{thing.told}, silly!" <says friend>.

{Hero} [reached up|felt with {his} {hero.hands}|looked]. It was true! The {thing} had been {thing.where} the whole time.
And so it was. All that time, the {thing.full} had been {thing.where}!

¶

{Hero} turned [red|pink] [from ear to ear|to the tips of {his} ears]. "I am [so |]sorry I [said it was you|blamed you]," {he} told {friend}.
<shame> "I should not have [blamed you|said you took it]," {he} [said|told {friend}]. "[Please forgive me|I am sorry]."

"That is all right," <says friend>. "But next time, [look|think] [first|before you shout]." And they both laughed until they had to sit down.
{Friend} [laughed|smiled|grinned]. "[Everybody makes mistakes|I forgive you]," {friend.he} said. "But it was very funny."

<learned> [it is wise to look twice before you blame somebody|a thing is not always lost just because we cannot see it|it takes a good friend to laugh with you and not at you].

? <together>
`;
