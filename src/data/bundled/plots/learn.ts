// Plots of learning and of wisdom (notation: script.ts and grammar.ts).

export const LEARN = `
== learning to do it
worlds: town forest farm kingdom
cast: place=outdoors
table skill: text; past; fail; tip; end
- ride a bike; rode; fell into a bush; Look ahead, not down; rode all the way around {place}
- swim; swam; swallowed a lot of water; Kick your feet and breathe; swam to the other side and back
- whistle; whistled; only blew air and spit; Make your mouth round, like a berry; whistled so well that a <bird> answered
- skate; skated; sat down hard on the ice; Bend your knees a little; went around the pond without falling once
- climb; climbed; slid all the way back down; Hold on with three and move with one; sat at the very top and waved
- jump rope; jumped; got tangled up like a ball of yarn; Listen to the rhythm; jumped one hundred times
- juggle; juggled; was hit on the nose by an apple; Watch the top, not your hands; juggled three apples and a spoon
- dance; danced; stepped on everybody's toes; Feel the music first; danced with {elder.name} at the feast
- row a boat; rowed; went around and around in circles; Pull both sides at the same time; rowed all the way to the island
- tie a knot; tied; tied {himself} to the chair; Over, under, and through the hole; tied a bow on every shoe {land}
- walk on stilts; walked; fell into the pond; Take small steps and keep moving; walked over the puddles like a stork
- throw a ball; threw; hit a pot of soup; Point where you want it to go; hit the old bucket three times in a row

<opening>

? <companion>

? <detail>

? <family>

Everybody could {skill}. {Friend} could {skill}. Even [little children|{elder}] could {skill}. But {hero} could not.
More than anything, {hero} wanted to {skill}. {He} watched {friend}, and [it looked so easy|{friend} made it look easy].
<Oneday> {hero} saw {friend} {place.at}. {Friend} {skill.past}, and [it looked wonderful|everybody clapped]. "I want to {skill}, too," <says hero>.

<Oneday> {he} tried [it|for the first time]. {He} {skill.fail}. {He} tried again. {He} {skill.fail} again.
"It is easy," <says friend>. "[Just|You only have to] do it." {Hero} tried. {He} {skill.fail}.

? "I can't do it!" <shouts hero>. "I will never [learn|be able to {skill}]." <Anger>
<Sorrow> "I [quit|give up]," {he} said. "[It is too hard|I am not good at anything]."

¶

{Elder} sat down beside {him}. "[Do you know|You know]," <says elder>, "when I learned to {skill}, I [fell|failed] [a hundred|many] times. {skill.tip}."
{Sage} had seen it. "You cannot do it yet," <says sage>. "Yet is a [small|little] word, but a [big|strong] one. {skill.tip}."
"[I could not do it at first|It took me all summer]," <says friend>. "{skill.tip}. I will [help|show] you."

"{skill.tip}," {hero} [said|whispered] to {himself}. {He} tried again. It was a little better. {He} tried again. It was a little worse. {He} tried again.
So {hero} practiced. {He} practiced in the morning and {he} practiced in the evening. {He} practiced in the [sun|wind] and in the rain.
{Hero} [took a deep breath|stood up] and tried again, and again, and again. [{His} knees were blue.|{He} had <number> bruises.|A <bird> shook its head.] But {he} did not stop.

¶

Then, one {weather} {time}, something [changed|was different]. {He} did not think about [falling|failing]. {He} just did it. {He} {skill.past}!
And [one day|on the [third|fifth|tenth] day], {hero} {skill.past}. {He} really {skill.past}! "[Look at me|I am doing it]!" <shouts hero>.

<Pride> {He} {skill.end}.
Before the [summer|week] was over, {he} {skill.end}. <Pride>

"You did it!" <cheers friend>. "[You never gave up|I am proud of you]," <says elder>.
"[How did you do it|Was it hard]?" <asks friend>. "[I fell down one time less than I got up|I just kept trying]," <answers hero>.

¶

<learned> [everyone falls before they fly|trying again is the secret of learning|nothing is easy until you learn it].
A [week|month] later, {hero} saw a small child who [was trying|wanted] to {skill}. "I can't," said the child. "Not yet," <says hero>. "{skill.tip}."

== the messy room
worlds: town kingdom forest farm
cast: thing=treasures thing2=treasures
table lost: text; need
- invitation to the party; The party began in an hour
- left shoe; {Friend.name} was already waiting outside
- ticket; The show was about to begin
- favorite hat; It was cold outside
- present for {friend.name}; The party was about to begin
- homework; The bell was about to ring
- swimming things; Everyone was going to the lake

<opening>

? <companion>

? <detail>

? <family>

But {hero} never [cleaned up|put anything away]. There were [toys|books|socks] on the floor, [crumbs|leaves] in the bed, and {thing.a} in the [sink|soup pot].
There was only one trouble with {hero}. {His} room was a terrible mess. {He} could not even see the floor.

"Please clean [up |]your room," <says elder>. "[Later|Tomorrow|Soon]," <answers hero>. But later {he} [forgot|was busy playing].
Every [day|evening], {elder} said, "[Please tidy up|Please put your things away]." Every [day|evening], {hero} said, "[Tomorrow|In a minute]."

¶

<Oneday> {hero} needed {his} {lost}. {Lost.need}! {He} looked under the bed. There was {thing.a}. {He} looked in the [closet|corner]. There was {thing2.a}, and <junk>.
<Oneday> {he} could not find {his} {lost}. {Lost.need}. {He} dug [like a dog|like a mole] in the piles. Out came {thing.a}, {thing2.a}, and <junk>.

? {He} stepped on the {thing}. "Ouch!" {he} cried. {He} [tripped over|fell over] the {thing2}. "Ouch!" {he} cried again.
A pile of [books|boxes|blankets] fell over. Now {hero} could not find the door. "Help!" {he} [cried|called].

? <Sorrow> "I will [be too late|miss everything]!" {he} said.
"[Hurry|Come on], {hero}!" <shouts friend> from outside. But the {lost} was nowhere to be [found|seen].

¶

"[What if we|Let us] clean up together," <says elder>. "Then we will find it."
{Friend} came in and [stared|laughed]. "[No wonder!|Is there a room under this?]" {friend.he} said. "I will help you."

They put the [books|blocks] on the shelf, the [socks|hats] in the drawer, and the {thing} [in its box|on its hook]. They even found [a sandwich with fur on it|a family of mice|a coin from last year].
One by one, they put the things [away|in their places]. The {thing} went [here|on the shelf] and the {thing2} went [there|in the chest]. They swept up <junk>.

And there, at the very bottom, was the {lost}! [{He} was just in time.|They ran all the way and were just in time.]
At last, they could see the floor. And on the floor lay the {lost}. "[There it is|Finally]!" <cheers hero>.

¶

That night, {hero} looked around {his} [clean|tidy] room. It looked [bigger|like a new room]. From then on, {he} put everything in its place, or [almost|nearly] everything.
<learned> [a place for everything saves a lot of time|it is easier to tidy a little every day than a lot on one day|later is not a good time].

== the three questions
worlds: kingdom
table first: ask; answer
- What has teeth but cannot bite; A comb
- What gets wetter the more it dries; A towel
- What has hands but cannot clap; A clock
- What has a neck but no head; A bottle
- What has one eye but cannot see; A needle
- What goes up when the rain comes down; An umbrella
- What can you catch but never throw; A cold
table second: ask; answer
- What is full of holes but still holds water; A sponge
- What runs all day but never gets tired; A river
- What has a bed but never sleeps; A river
- What has keys but opens no door; A piano
- What has many leaves but is not a tree; A book
- What grows bigger the more you take away; A hole
- What can you break without touching it; A promise
table third: ask; answer; why
- What is the most precious thing in my kingdom; A friend; gold cannot sit beside you when you are sad
- What is stronger than my whole army; Kindness; an army can open a gate, but kindness can open a heart
- What is the sweetest thing in the world; Sleep after a long day; even a king would rather have sleep than cake when he is tired
- What can fill this empty hall; Laughter; it is big enough for every corner and everyone can bring some
- What is the best gift of all; Time; you can give it only once
- What is worth more when you give it away; A smile; you get another one back
table prize: text
- a golden apple
- a white pony
- a <color> bird in an open cage
- the key to the royal library
- a little garden of {his} own
- a chest full of books

Once upon a time, in a kingdom far away, there lived a {hero.trait} [young|little] {hero.kid} [named|called] {hero}. <about>
<opening>

? <companion>

? <detail>

? <family>

<Oneday> the king [sent out|called] his messengers. "Whoever can answer three questions," they [called|cried], "shall have {prize}!"
In that kingdom lived an old king who loved riddles. "I will give {prize}," he said, "to anyone who can answer my three questions."

? Many people came. There were [rich merchants|proud knights|wise professors|clever wizards] with [long beards|heavy books|shiny boots]. But nobody could answer [them|all three].
Knights came, and merchants came, and wise men with long beards came. They all went home again with red ears.

"[I will try|Let me try], too," <says hero>. "You?" <asks friend>. "You are [too young|only a {hero.kid}]!" But {hero} [put on {his} hat|packed some bread and cheese] and [went|walked] to the [castle|throne room].
{Hero} stood before the [throne|king]. [{His} knees shook.|{He} was not afraid.] "[So young|You are very small]," said the king. "[Well, listen carefully|Let us see]."

¶

"First," said the king. "{first.ask}?" {Hero} thought for a moment. "{first.answer}," {he} said. The king [nodded|raised an eyebrow].
"{first.ask}?" asked the king. "That is easy," <says hero>. "{first.answer}!" "[Right|Correct]," said the king.

? "Second," said the king. "{second.ask}?" {Hero} looked [out of the window|at the ceiling]. Then {he} [smiled|laughed]. "{second.answer}," {he} said. "[Very good|Hmm, not bad]," said the king.
"{second.ask}?" asked the king. This one was harder. {Hero} [closed {his} eyes|scratched {his} ear]. "{second.answer}," {he} said at last. The king [leaned forward|stroked his beard].

"And now the last question," said the king. "{third.ask}?" The hall was [so quiet that you could hear a mouse|very quiet].
Then the king stood up. "{third.ask}?" he asked. "[Nobody has ever known the answer|Think well]."

{Hero} thought of {friend}, and of {elder}, and of {his} little {home}. "{third.answer}," {he} said. "How so?" asked the king. "Because {third.why}," <answers hero>.
{Hero} was quiet for a long time. Then {he} [looked up|smiled]. "{third.answer}," {he} said, "because {third.why}."

¶

The king [was silent|said nothing]. A tear ran down into his beard. "You are [wiser than all my wise men|right]," he said, and he gave {him} {prize}.
"[At last|Well done]!" [cried|laughed] the king. He [came down from his throne|threw his crown in the air] and gave {hero} {prize}.

And every [Sunday|week], {hero} came to the castle to [ask|bring] the king a new riddle. The king [was never lonely again|did not get one of them right].
{Hero} [thanked the king|bowed] and ran home to {friend} and {elder}. They [laughed|danced] until the stars came out.

== the trade
worlds: town farm kingdom
table a: text; need; who
- bag of nuts; something to eat; a hungry traveler
- loaf of bread; something to eat; a hungry fisherman
- basket of plums; something sweet; a cook who was making jam
- jar of honey; something for a sore throat; a singer who had lost her voice
- pair of warm socks; something warm; a shepherd with cold feet
table b: text; need; who
- fishing net; something to catch butterflies in; a boy with a butterfly book
- long rope; something to pull up water with; a woman at a deep well
- candle; some light; an old man in a dark cellar
- ball of wool; some yarn; a grandmother who was knitting
- tin bucket; something to carry milk in; a milkmaid with a leaky pail
table c: text; need; who
- <color> ribbon; something pretty; a bride on her way to church
- <made> whistle; something to call a dog with; a girl who had lost her dog
- <color> kite; a toy; a little child who was crying
- pot of paint; something to paint a sign with; a baker with a new shop
- mirror; something shiny; a magpie who loved shiny things
table goal: text; for; why
- bottle of medicine; {elder.name}; {elder.name} was sick
- pair of glasses; {elder.name}; {elder.name} could not see well anymore
- warm coat; {elder.name}; {elder.name} was always cold
- iron pot; {elder.name}; the old pot had a hole in it
- new lamp; {elder.name}; {elder.name} could not read in the dark

Once upon a time, {land}, {hero.intro} lived with {his} {elder.as}. One day, {goal.why}. They needed {goal.a}, but they had no money.
{Hero.intro} lived {land} with {his} {elder.as}. They were poor, but happy. Then {goal.why}. "We need {goal.a}," <says elder>, "but we [have no coins|can't buy one]."

{Hero} looked [in the cupboard|on every shelf]. All {he} found was {a.a}. {He} took it and [set off|went] to the market. "[Maybe I can trade it|Who knows]," {he} thought.
"Wait for me," <says hero>. {He} took the only thing they had, {a.a}, and [set off|went out] into the {weather} {time}.

¶

On the road, {he} met {a.who}, in need of {a.need}. {Hero} [gave away|handed over] the {a}, and got {b.a} in return.
First {he} met {a.who}, looking for {a.need}. {Hero} traded the {a} for {b.a}.

A little [farther|later], there was {b.who}, who needed {b.need}. "Take my {b}," <says hero>. "[And you take this|Then this is for you]," was the answer, and {hero} had {c.a}.
Then {he} came to {b.who}. "I wish I had {b.need}," came a sigh. "[Here|You can have my {b}]," <says hero>, and {he} was given {c.a}.

At the [bridge|gate], {he} saw {c.who}. "You can have this {c}," <says hero>. "[It is just the thing|I hope it helps]." And what did {he} get for it? {Goal.a}!
Close to the market, {he} met {c.who}. {Hero} [looked at|thought about] {his} {c}. It was <nice>, but {he} gave it away. "[How kind you are|Thank you]! Is there something you need?" "Yes," <answers hero>. "{Goal.a}." And {he} got it!

¶

{Hero} ran [all the way home|home as fast as {he} could]. "Look!" {he} [called|cried]. {Elder} [could not believe {elder.his} eyes|was amazed]. "How did you [get|pay for] it?" <asks elder>.
When {hero} came home, it was [already dark|late]. {He} put the {goal} in {elder.poss} hands. "Where did you get [it|this]?" <asks elder>.

"With {a.a}," <answers hero>, "and {b.a}, and {c.a}." {Elder} laughed [for the first time in weeks|and hugged {him}].
"I gave the {a} for {b.a}, and the {b} for {c.a}, and the {c} for this," <answers hero>. "[Everybody had something|Everyone was happy]!"

¶

<learned> [everybody needs something, and everybody has something to give|what is small to one may be great to another|a {hero.kid} with a kind heart is never poor].

== the slow and the quick
worlds: forest farm
cast: place=outdoors
table work: text; slow; quick; test; result; broke
- build a house; carried stone after stone; used straw and leaves; One night, a great storm came; The stone house stood firm; The straw house blew away
- get ready for winter; gathered nuts and berries every day; slept in the sun; The snow came, deep and white; In one home, there was plenty to eat; In the other, there was only one old nut
- dig a well; dug a little every day; dug for an hour and stopped; A long, dry summer came; One well was deep and full of cool water; The other was only a dusty hole
- make a boat; filled every crack with care; left the cracks as they were; The flood came; One boat floated like a duck; The other filled with water and sank
- mend the roof; fixed every hole; put a leaf over the holes; It rained for seven days; One bed was dry; The other bed was a pond
- plant a garden; pulled the weeds every morning; forgot about the weeds; It was time for the harvest; One garden was full of good things; In the other, there were only weeds

<opening>

? <companion>

? <detail>

? <family>

<Oneday> {hero} and {friend} [decided|both wanted] to {work.text}.
It was time to {work.text}. {Hero} and {friend} each began [on the same day|one {weather} {time}].

{Hero} {work.slow}. It was [hard|slow] work. {Friend} {work.quick}. "[I am done|Look, I am finished]!" <cheers friend>, and {friend.he} [went off to play|lay down under a <tree>].
{Friend} {work.quick}. "Come and play!" <shouts friend>. But {hero} {work.slow}. "[I am not finished|I can't come yet]," <answers hero>.

"Why do you work so [hard|slowly]?" <asks friend>. "[I want to do it well|It will be worth it]," <answers hero>. {Friend} [laughed|shrugged] and [danced away|went to look for a <bug>].
"You are as slow as a snail," <says friend>. {Hero} [only smiled|did not answer]. [Day after day|Bit by bit], {he} went on.

¶

{work.test}. {work.result}. {work.broke}.
And then it happened. {work.test}. {work.result}. {work.broke}.

{Friend} [came to the door|stood outside], [cold|wet|dirty] and <sad>. "[May I come in?|Please help me,]" <whispers friend>. "You were right. I was [too quick|lazy]."
There was a [soft|small] knock at {hero.poss} door. It was {friend}. "[I should have listened|I was so foolish]," {friend.he} said.

{Hero} could have [laughed.|said, "I told you so."] But {he} did not. "[Come in|There is enough for two]," {he} said. "[We will start again together|I will show you how]."
"Come in," <says hero>. {He} gave {friend.him} a [blanket|bowl of soup|warm place by the fire]. "Tomorrow, I will help you."

¶

The next [day|spring], they [worked side by side|did it together]. It was slow, but it was [good|strong], and they sang as they worked.
<learned> [slow and careful work lasts longer|it pays to be ready|a good friend helps instead of laughing].
`;
