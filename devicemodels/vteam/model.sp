* VTEAM. The state is x0 + v(u). Port x carries it. Node u is an offset that is 0 at rest: the inductor holds it in .op and
* .dc (where "time" is the swept value, so that time > 0 does not mean a transient) and is open in a transient.
.subckt vteam p n x params: r_on=1e3 r_off=300e3 v_on=-1.5 v_off=0.3 k_on=-216.2 k_off=0.091 alpha_on=4.0
+ alpha_off=4.0 w_on=0.0 w_off=3e-9 x0=0.5 iv=0 ramp=0.01
.param rate_on={k_on/(w_off-w_on)} rate_off={k_off/(w_off-w_on)} slope={r_off-r_on} lambda={ln(r_off/r_on)}
Bcell p n i = ({iv}) > 0.5
+ ? v(p,n)*exp(-({lambda})*max(0,min(1,({x0})+v(u))))/({r_on})
+ : v(p,n)/(({r_on})+({slope})*max(0,min(1,({x0})+v(u))))
Boff 0 u i = time > 0
+ ? ({rate_off})*pow(max(0,v(p,n)/({v_off})-1),({alpha_off}))*max(-1,min(1,(1-({x0})-v(u))/({ramp})))
+ : 0
Bon 0 u i = time > 0
+ ? ({rate_on})*pow(max(0,v(p,n)/({v_on})-1),({alpha_on}))*max(-1,min(1,(({x0})+v(u))/({ramp})))
+ : 0
Cu u 0 1
Lu u 0 1e20
Bx 0 x i = ({x0})+v(u)
Rx x 0 1
.ends vteam
