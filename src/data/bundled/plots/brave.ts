// Plots of courage and of helping out (notation: script.ts and grammar.ts).

export const BRAVE = `
== the fear
worlds: town forest farm kingdom
table fear: text; when; trick; see; later
- the dark; When {elder.name} put out the light; counted the stars through the window; The dark was full of tiny lights; liked to sit in the dark and look for shooting stars
- thunder; When the sky rumbled; counted from the flash to the boom, one, two, three; The storm was moving away; clapped for every boom
- deep water; When the others jumped into the lake; put one foot in, and then the other; The water was cool and it held {him} up; splashed louder than anyone
- high places; When the others climbed the big tree; looked only at the next branch, and then the next; From the top, the whole land lay below, green and gold; had a favorite seat near the top
- big dogs; When the neighbor's big dog came near; held out {his} {hero.hands} slowly and let it sniff; The dog wagged its tail and licked {his} nose; played with the dog every day
- spiders; When a spider crawled along the wall; watched it spin from far away, and then from close by; The web shone like silver in the sun; said good morning to every spider
- the old bridge; When the others ran across the old bridge; held the rope and took one small step, and then one more; The bridge creaked, but it was strong; crossed it every day with a hop and a skip
- singing in front of others; When it was time to sing; closed {his} eyes and sang to {friend.name} only; {His} voice was small at first, and then it grew; sang at every party
- the cellar; When {elder.name} asked for apples from the cellar; sang a loud song on every step; There was nothing down there but apples and one shy mouse; took the mouse a crumb of cheese every week
- the wind; When the wind howled around the {home}; howled back at it like a wolf; The wind was only playing; flew kites on the windiest days

<opening>

? <companion>

? <detail>

? <family>

But {hero} was [afraid|scared|frightened] of one thing. {He} was [afraid|scared|frightened] of {fear}.
There was only one thing that {hero} did not like, and that was {fear}.
{Hero} was [not afraid of many things|brave most of the time]. But {he} was very [afraid|scared|frightened] of {fear}.

{Fear.when}, {he} [hid behind {elder}|ran away|hid {his} face|covered {his} ears and shut {his} eyes]. <Fear>
{Fear.when}, {hero} [shook from head to toe|could not move|said that {his} tummy hurt and went home].

? "[Are you coming, {hero}?|Come on, {hero}!]" <shouts friend>. But {hero} [shook {his} head|did not come].

¶

"Why are you [so |]afraid?" asked {sage}, who had seen it all. "I don't know," <whispers hero>.
<Oneday> {hero} told {sage} about it. "I [wish I were brave|want to be brave like {friend.name}]," <says hero>.
"[What is wrong|Are you all right]?" <asks friend>. "I am afraid of {fear}," <whispers hero>. "[Please don't laugh|You will laugh at me]." But {friend} did not laugh.

"[Everyone|Everybody] is afraid of something," <says sage>. "Being brave does not mean that you are not afraid. It means that you try [anyway|even so]."
"I was afraid of {fear}, too, when I was small," <says sage>. "[Start with something small|Try a little at a time]."
"[You can hold my hand|I will stay with you]," <says friend>. "[We can try it together|Let us try it, just a little]."

¶

So the next time, {hero} did not run away. {He} [took a deep breath|held {friend.poss} hand]. {He} {fear.trick}.
{Hero} [nodded|took a deep breath]. {His} heart beat fast, but {he} {fear.trick}.

And then something [strange|wonderful] happened. {fear.see}. "Oh!" <says hero>. "[It is not so bad|It is beautiful|I did not know that]."
{fear.see}. {Hero} [opened {his} eyes wide|laughed out loud]. "I [did it|am doing it]!" {he} [shouted|cried].

<Pride> "[I knew you could do it|Well done]!" <cheers friend>.
"Look at [you|brave {hero}]!" <cheers friend>. <Pride>
"How do you feel?" <asks friend>. "[Like a lion|Ten feet tall|Still a little scared, but happy]," <says hero>.

¶

After that, {hero} {fear.later}.
Now {hero} was not so afraid of {fear} anymore. {He} even {fear.later}.
<learned> [being brave means being afraid and trying anyway|fear grows small when you look right at it|courage comes one small step at a time].

== the helper who was too small
cast: place=outdoors
worlds: town forest farm kingdom
table job: trouble; tried; small; done; thing
- the [big |]bell had stopped ringing, because something was stuck high inside it; The others pulled the rope with all their might; climbed up through the narrow hole and pulled out an old nest; the bell rang again, loud and clear; bell
- the key to the gate had fallen between two stones; The others pushed and poked with sticks; reached into the crack with a thin arm and pulled the key out; the gate swung open; key
- a kitten was stuck at the end of a long, thin pipe; The others called and whistled, but the kitten would not come; crawled into the pipe with a piece of fish; out came {hero}, and out came the kitten; kitten
- the mill had stopped, because a stone was stuck between its wheels; The others shook it and kicked it; squeezed between the wheels and rolled the stone away; the mill began to turn again; mill
- the string of the flag was tangled at the top of a thin pole; The others were too heavy and the pole bent under them; climbed up as light as a feather and untied the knot; the flag waved in the wind; flag
- a ring had fallen into a deep, narrow hole; The others dug and dug, but the hole only got deeper; let {himself} be lowered on a string and found it in the dark; the ring shone in the sun; ring
- the lamp in the tower had gone out and the window was tiny; The others could not even get an arm through; slipped through the window with a match; the light shone over the land again; lamp
- the wagon was stuck, because a branch was caught under it; The others pulled until their faces were red; crawled under the wagon and pulled the branch away; the wagon rolled on with a bump; wagon

{Hero} was the smallest {hero.kid} {land}. {He} was too small to [reach the shelf|win a race|carry a bucket|see over the fence]. <About>
Once upon a time, {land}, there lived a very small {hero.kid} [named|called] {hero}. "You are too little," everyone [always |]said.
There was once {hero.intro}. {Hero} wanted to help, but everybody said, "You are too small."

<Oneday> something went wrong. {Job.trouble}.
<Oneday> everyone was [upset|worried]. {Job.trouble}.

¶

"[We need somebody strong|I am strong]!" <says friend>. {Job.tried}. It did not [help|work].
{Job.tried}. Nothing [happened|worked]. <Think friend>

"[May|Can] I try?" <asks hero>. "[You?|But you are too small!]" <says friend>, and [everybody|someone] laughed.
"Let me [try|help]," <says hero>. "You are [too little|much too small]," <says friend>. "[Go and play|This is a big job]."

{Hero} went [red|quiet], but {he} did not go away. {He} [looked|walked around] and thought. {Elder} saw {him}. "What do you see?" <asks elder>.
<Sorrow> But {sage} [had heard {him}|was watching]. "Let the little one try," <says sage>. "[We have tried everything else|Small does not mean weak]."

¶

"I can fit where you cannot," <says hero>. And {he} {job.small}.
Without [a word|waiting], {hero} {job.small}.
So {hero} took a deep breath. {He} {job.small}.

[Everyone held their breath.|It was very quiet.|{Friend} could hardly look.] Then {job.done}!
And then, {job.done}!

Everyone [cheered|clapped and cheered|shouted with joy]. "Hooray for {hero}!" <shouts friend>.
{Friend} [lifted|swung] {him} up [high|in the air]. "You did it!" <cheers friend>. "I am sorry I [laughed|said you were too small]."

¶

<Pride>
"I am not too small," <says hero>. "I am just the right size."

From then on, nobody said that {hero} was too small. And whenever something was [stuck|hard to reach], they [called|sent for] {him} first.
<learned> [everyone is the right size for something|even the smallest one can do big things|you do not have to be big to be a big help].

== the stuck cart
worlds: farm kingdom town
cast: sage=villagers
table load: text; what
- apples; a cart full of apples
- pumpkins; a cart full of pumpkins
- hay; a wagon full of hay
- books; a cart full of books
- melons; a cart full of melons
- firewood; a wagon full of firewood
- potatoes; a cart full of potatoes
- milk; a cart full of milk cans
- flour; a wagon full of flour
- flowers; a cart full of flowers
table obstacle: where; how
- deep in the mud; the wheels sank into the mud
- in a ditch; one wheel rolled into a ditch
- on a steep hill; it began to roll backward
- behind a fallen tree; the road was blocked by a fallen tree
- in the soft sand; the wheels sank into the sand

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {sage} came down the road with {load.what}. <Suddenly> {obstacle.how}, and the cart was stuck.
<Oneday> {hero} met {sage}, who had {load.what}. It was stuck {obstacle.where}. "[Oh dear!|What now?]" <says sage>. "I must be at the market by noon."

? {Hero} pulled as hard as {he} could. The cart did not move [at all|an inch].
"I will help," <says hero>. {He} pushed and pushed. [It was no use.|The cart only creaked.]

¶

"Wait here," <says hero>. {He} <ran> to get {friend}. {Friend} pulled, too. The cart [moved|rocked] a little, and then it [rolled|slid] back.
<Suddenly> {friend} came along. "[Make room|Let me try]," <says friend>. They pulled together. The cart [rocked|creaked], but it was still stuck.

? Then {elder} came. Now there were [three|more] of them. They pulled and pulled, but [everybody pulled at a different time|one pulled left and one pulled right]. [The cart stayed where it was.|Nothing moved but their hats.]
More friends came to help. Some pushed and some pulled, and everyone said something different. The cart [did not move|stayed where it was].

<Think> "Stop!" <shouts hero>. "We [have to|must] pull at the same time."
<Idea> "[Let's|Let us] sing a song," <says hero>, "and pull [when I say now|on the last word]."

"What can a tiny {bug} do?" <asks friend>, for a {bug} had sat down on the rope. "[Everyone can help|Every bit helps]," <says hero>.
They put [flat stones|branches|an old board] under the wheels, and {hero} counted: "One, two, three, pull!"

¶

They all pulled together. [Slowly, slowly|Bit by bit|With a creak and a groan], the cart began to move. And then, with a [big bump|pop|loud squeak], it was free!
One, two, three! The cart moved. One, two, three! It moved some more. And then it rolled [out|free], so fast that everybody sat down in the [mud|grass].

Everyone [laughed|cheered]. {Sage} gave [everybody|each of them] some of the {load}. "I could not have done it [alone|without you]," <says sage>.
"Hooray!" <cheers friend>. <Thank sage> {Sage.he} gave them some {load} to take home.

¶

<learned> [many small hands can move a big thing|it helps to pull together|a hard job is easier with friends].

? <together>

== the race
worlds: town forest farm kingdom
cast: place=outdoors
table prize: text
- a <color> ribbon
- a big <baked> cake
- a <made> cup
- a <color> flag
- a crown of <flowers>

<opening>

? <companion>

? <detail>

? <family>

Every [year|summer|spring], there was a big race, from {place} to the [bridge|windmill|big <tree>] and back. The prize was {prize}.
<Oneday> there was a race {place.at}. The winner would get {prize}. {Hero} wanted it [very much|more than anything].

? {Hero} was fast. "I will win [for sure|easily]," {he} [said|told everyone]. "[Nobody can catch me|I am the fastest of all]!" {Friend} [smiled|only smiled]. "[We will see|Let's have fun]," <says friend>.
{Hero} practiced every [day|morning]. {He} ran up the hill and down the hill. {Friend} practiced, too. "May the best one win," <says friend>.

¶

"Ready, set, go!" <shouts sage>. {Hero} ran like the wind. Soon {he} was far ahead [of everyone|of {friend}].
{Sage} rang a bell, and off they [went|ran]! {Hero} and {friend} ran side by side, [faster and faster|past the fence and over the hill].

<Suddenly> {hero} heard a cry. {He} looked back. {Friend} had [tripped over a root|fallen into a ditch|hurt {friend.his} foot] and was sitting on the ground.
[Halfway|Near the end], {friend} [slipped|tripped] and fell. "Ouch!" <shouts friend>. The [bridge|finish line] was already in sight.

{Hero} [slowed down|stopped]. If {he} ran on, {he} would win the prize. If {he} went back, {he} would lose. <Think>
{Hero} could see the end of the race. {He} could almost [see|feel] the prize in {his} {hero.hands}. But {he} could also hear {friend} [crying|calling].

¶

{He} turned around and <ran> back. "[Are you hurt|Can you stand]?" <asks hero>. "My foot [hurts|is sore]," <says friend>. "[Go on|You should win]. You can still win."
Then {he} turned back. "You will lose the race!" <says friend>. "[It is only a race|I don't care]," <answers hero>. "[You are my friend|Lean on me]."

{Hero} put {friend.poss} arm over {his} shoulder. Together, they [walked|limped|hobbled] to the end, [step by step|slowly, slowly|one step at a time]. They were the very last.
So they went on together, slowly, and everyone else [passed|ran past] them. They came in last of all.

? But [everyone|the whole crowd] [cheered|clapped] louder than for [the winner|anybody]. "[You won|You have won] something better than a race," <says sage>.
"[Why did you stop?|You could have won]," <says sage>. "I [would rather|wanted to] finish with my friend," <answers hero>. And {sage} [smiled|nodded] and gave them [both a <flower>|a big piece of cake].

¶

<learned> [a friend is worth more than a prize|there are many ways to win|it is better to be kind than to be first].
The next year, they ran again, and this time {friend} and {hero} crossed the line at the very same moment, hand in hand.

== the broken vase
worlds: town kingdom
cast: toy=toys
table thing: text; full
- vase; <color> vase
- teapot; <nice> teapot
- jar; big jar of marbles
- lamp; <color> lamp
- plate; <color> plate
- mirror; old mirror
- clock; old clock
- flowerpot; <color> flowerpot
- cup; favorite cup

<opening>

? <companion>

? <detail>

? <family>

"[Please do not|Don't] play with your {toy} in the house," <says elder>. "[You might break something|That is for outside]." {Elder} went [to the market|out to the garden].
{Elder} had a {thing.full} that [{elder.he} loved very much|was very old|was a gift from a friend]. "[Please be careful|Don't play near it]," <says elder>.

But it was [raining|cold] outside, and {hero} was bored. "Just [once|a little]," {he} thought. {He} took {his} {toy} and [began to play|ran around the room].
As soon as {elder} was gone, {hero} got {his} {toy}. {He} played [faster and faster|wilder and wilder|all around the room].

Crash! The {thing} [fell|tumbled] to the floor and broke into [a hundred|many|ten] pieces.
<Suddenly> there was a loud crash. The {thing} lay on the floor, [in pieces|broken].

¶

<Fear> "[Oh no!|What have I done?]" {he} [thought|whispered]. {He} [pushed|swept] the pieces [under the rug|under the bed|behind the curtain].
"Oh no!" <whispers hero>. {He} [hid the pieces|put the pieces in a box] and sat very still. <Fear>

<Soon> {elder} came home. "[Where is|What happened to] the {thing}?" <asks elder>. "The [cat|wind] [broke it|did it]," <whispers hero>.
When {elder} came back, {hero} did not [say anything|look up]. "You are very quiet," <says elder>. "Is something wrong?" "No," <whispers hero>.

? But all {time}, {hero} [felt a stone in {his} tummy|could not eat|could not play]. <Shame>
<Shame> Every time {elder} smiled at {him}, {hero} felt [a little |]worse.

¶

At last, {hero} could not stand it anymore. "It was me," {he} [whispered|said]. "I played with my {toy} and broke the {thing}. [I am so sorry|And then I told a lie]."
That evening, {he} [went to|stood in front of] {elder} with the pieces in {his} {hero.hands}. "I broke it," <whispers hero>. "[I was afraid to tell you|I should have told you]."

{Elder} was quiet for a [moment|long moment]. "I am sad about the {thing}," <says elder>, "but I am [glad|proud] that you told me the truth."
{Elder} [sat down|took a deep breath] and pulled {him} close. "A {thing} can break," <says elder>, "but I love you [just the same|more than a hundred of them]. [Thank you for|I am glad you are] telling me the truth."

? Together, they glued the pieces back. It [took|took them] a long time. The {thing} was not [perfect|the same], but {elder} said {elder.he} liked it even better [now|than before].
{Hero} [saved {his} coins|worked in the garden for a week] to [pay for|buy] a new {thing}. It was [not as old|smaller], but {elder} [loved it|put <flowers> beside it].

¶

<learned> [telling the truth makes the heart light|a lie is heavier than a stone|it takes courage to tell the truth].

== the false alarm
worlds: farm forest kingdom town
table danger: text; cry; real
- wolf; There is a wolf; a gray wolf with yellow eyes
- fire; Fire! There is a fire; a thin line of smoke
- flood; The water is coming; brown water, higher and higher
- thief; There is a thief; a thief with a big bag
- bear; There is a bear; a big hungry bear
- storm; A storm is coming; a black cloud, as big as a mountain
- snake; There is a snake; a long snake in the grass

{Hero} [was|was a {hero.kid} who was] always [bored|full of tricks]. {He} lived {land} with {his} {elder.as}.
Once upon a time, {land}, there lived {hero.intro}, who liked [to play tricks|tricks more than anything].

<Oneday> {he} shouted, "Help! {danger.cry}!" [Everyone|{Friend} and {sage}] came running. But there was no {danger}. {Hero} [laughed and laughed|rolled on the ground laughing].
<Oneday> {he} had nothing to do. "{danger.cry}!" <shouts hero>. {Friend} [ran to help|came running] with a [stick|bucket|broom]. "I [fooled|tricked] you!" <cheers hero>.

? "That is not funny," <says friend>. {Friend.he} [was out of breath|had lost a shoe|had spilled {friend.his} soup].
{Friend} shook {friend.his} head. "[You should not do that|Please don't do that again]," {friend.he} said.

¶

The next day, {hero} did it again. "{danger.cry}!" {he} shouted. Again they all came, and again {hero} laughed. <Anger friend>
But {hero} did it [again the next day|two more times]. Each time, [fewer|fewer and fewer] came to help. "We [will not|won't] come again," <says sage>.

? "[One day|Some day], you will need help," <says elder>, "and nobody will believe you." {Hero} only shrugged.

¶

Then one [evening|{time}], {hero} saw {danger.real}. This time, it was [real|no trick]! <Fear>
A week later, {hero} was [all alone|outside] when {he} saw {danger.real}. {His} [heart stopped|mouth went dry].

"{danger.cry}!" {he} shouted. "[Please come|Help me]!" But nobody came. "[It is only|That is just] {hero} and {his} tricks," they said.
{He} shouted and shouted. "{danger.cry}! It is true this time!" But [everybody stayed at home|nobody believed {him}].

{He} ran [all the way |]to {friend}. "[Please|This time], you have to believe me," {he} [cried|begged]. {Friend} looked into {his} eyes and saw [real tears|that {he} was shaking]. "[I believe you|All right]," <says friend>.
Only {friend} [stopped|looked up]. "{Hero} sounds different this time," {friend.he} [said|thought], and {friend.he} [rang the big bell|ran to see].

Together, they [called the others|rang the bell], and just in time, everyone was safe.
Then [everyone|the whole place] came to help, and [in the end|at last] all was well. But it had been [very close|a near thing].

¶

<Shame> "I am sorry," <whispers hero>. "I will never [do it again|play that trick again]."
"Thank you for believing me," {hero} told {friend}. "I did not [earn|deserve] it."

<learned> [nobody believes a fibber, even when the fibber tells the truth|trust is easy to break and hard to mend|you should only call for help when you need it].
`;
